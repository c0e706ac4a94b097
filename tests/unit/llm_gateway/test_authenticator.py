"""Who is let in as whom. The properties here are the ones that keep tenants apart."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway import authenticator as module
from llm_gateway.authenticator import ADMIN, Authenticator
from llm_gateway.core.errors import Forbidden, InvalidRequest, LLMGatewayError, RateLimited, Unauthenticated
from llm_gateway.core.exchange import ANONYMOUS, Caller, Credentials
from llm_gateway.core.settings import AuthSettings
from llm_gateway.identity.admin_token import AdminToken
from llm_gateway.identity.key_store import Entry
from llm_gateway.identity.keys import Grant, Key, Pepper, fingerprint, new_key

TOKEN = "v8Rw2kQz7LmX4pTnYc"


def key_number(number: int) -> str:
    return new_key(lambda _: hashlib.sha256(b"%d" % number).digest())


class CountingPepper(Pepper):
    """A pepper that says how often it was used."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0
        super().__init__(b"p" * 32)

    def of(self, key: str) -> bytes:
        self.count += 1
        return super().of(key)


class CountingTable(dict[bytes, Entry]):
    count = 0

    def get(self, key: bytes, default: object = None) -> object:  # type: ignore[override]
        self.count += 1
        return super().get(key, default)


class World:
    """A clock and a store of keys."""

    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0
        self.pepper = CountingPepper()
        self.table = CountingTable()
        self.any_exist = False
        self.uses: list[str] = []

    def monotonic_s(self) -> float:
        return self.now_s

    def wall_s(self) -> float:
        return self.now_s

    def used(self, key_id: str, now_s: float) -> None:
        self.uses.append(key_id)

    def by_id(self, key_id: str) -> Key | None:
        return next((entry.key for entry in self.table.values() if entry.key.id == key_id), None)

    def add(self, number: int, grant: Grant) -> str:
        secret = key_number(number)
        digest = self.pepper.of(secret)
        self.table[digest] = Entry.of(Key(f"key_{number}", digest, grant))
        self.any_exist = True
        return secret


@pytest.fixture
def world() -> World:
    return World()


def authenticator(world: World, **settings: object) -> Authenticator:
    return Authenticator(AuthSettings.model_validate(settings), AdminToken(TOKEN), world, world)  # type: ignore[arg-type]


def failure_of(work: Callable[[], object]) -> LLMGatewayError:
    with pytest.raises(LLMGatewayError) as caught:
        work()
    return caught.value


def test_without_keys_callers_are_who_they_say(world: World) -> None:
    auth = authenticator(world)
    assert auth.is_open
    assert auth.identify(Credentials()) == ANONYMOUS
    assert auth.identify(Credentials(user_id="u1")) == Caller("u1")
    assert auth.identify(Credentials("sk-whatever-the-library-wants", "u1")) == Caller("u1")
    assert auth.identify(Credentials(key_number(1), "u1")) == Caller("u1")


def test_nobody_says_of_himself_that_he_is_the_administrator(world: World) -> None:
    failure = failure_of(lambda: authenticator(world).identify(Credentials(user_id="admin")))
    assert isinstance(failure, Forbidden)
    assert failure.param == "user_id"


@pytest.mark.parametrize("how", ["required", "made", "configured"])
def test_one_key_closes_the_gateway(world: World, how: str) -> None:
    settings: dict[str, object] = {}
    if how == "required":
        settings = {"required": True}
    elif how == "made":
        world.add(1, Grant("ci", "acme"))
    else:
        settings = {"keys": {"ci": {"key_sha256": fingerprint(key_number(1)).hex()}}}
    auth = authenticator(world, **settings)
    assert not auth.is_open
    for credentials in (Credentials(), Credentials(user_id="u1"), Credentials("sk-other"), Credentials(key_number(2))):
        assert isinstance(failure_of(lambda found=credentials: auth.identify(found)), Unauthenticated)  # type: ignore[misc]


def test_a_key_made_while_it_runs_closes_it_at_once(world: World) -> None:
    auth = authenticator(world)
    auth.identify(Credentials())
    world.add(1, Grant("ci", "acme"))
    assert isinstance(failure_of(lambda: auth.identify(Credentials())), Unauthenticated)
    world.table.clear()  # revoked: nobody is let in because there is no key left
    assert isinstance(failure_of(lambda: auth.identify(Credentials())), Unauthenticated)


def test_a_key_stands_for_its_owner_and_a_user_for_a_label_inside(world: World) -> None:
    grant = Grant("ci", "acme", "gold", frozenset({"openai"}), frozenset({"gpt-4o"}))
    secret = world.add(1, grant)
    auth = authenticator(world)
    owner = auth.identify(Credentials(secret))
    assert owner == Caller("acme", "gold", "key_1", False, "acme", frozenset({"openai"}), frozenset({"gpt-4o"}))
    user = auth.identify(Credentials(secret, "u1"))
    assert user == Caller("acme/u1", "gold", "key_1", False, "acme", frozenset({"openai"}), frozenset({"gpt-4o"}))
    assert world.uses == ["key_1", "key_1"]
    assert auth.key("key_1") is not None
    assert auth.key("key_2") is None


def test_a_configured_key_works_like_one_that_was_made(world: World) -> None:
    secret = key_number(1)
    auth = authenticator(world, keys={"ci": {"key_sha256": fingerprint(secret).hex(), "owner": "acme"}})
    assert auth.identify(Credentials(secret, "u1")) == Caller("acme/u1", key_id="config:ci", owner="acme")
    found = auth.key("config:ci")
    assert found is not None
    assert found.grant.owner == "acme"


OWNERS = ("acme", "acme2", "acm", "acme.x", "a")


@given(st.sampled_from(OWNERS), st.sampled_from(OWNERS), st.text(max_size=30), st.text(max_size=30))
def test_no_user_id_leads_out_of_its_owners_tenant(one: str, other: str, user: str, other_user: str) -> None:
    world = World()
    secrets = {owner: world.add(number, Grant(owner, owner)) for number, owner in enumerate(OWNERS)}
    auth = authenticator(world)

    def name(owner: str, user_id: str) -> str:
        try:
            return auth.identify(Credentials(secrets[owner], user_id)).id
        except InvalidRequest:
            return f"refused {owner} {user_id}"

    if name(one, user) == name(other, other_user):
        assert (one, user) == (other, other_user)
    assert name(one, "admin") != ADMIN.id
    assert name(one, f"../{other}") != name(other, "")


def test_user_ids_have_an_end_and_are_printable(world: World) -> None:
    secret = world.add(1, Grant("ci", "acme"))
    auth = authenticator(world)
    for user_id in ("x" * 252, "a\nb", "a\x00", "\u202e"):
        failure = failure_of(lambda found=user_id: auth.identify(Credentials(secret, found)))  # type: ignore[misc]
        assert isinstance(failure, InvalidRequest)
        assert failure.param == "user_id"
    assert len(auth.identify(Credentials(secret, "x" * 251)).id) == 256


def refused(world: World, auth: Authenticator, credentials: Credentials) -> tuple[object, ...]:
    """What a failed identification looks like from outside, and the work that it was."""
    compared = 0
    real = module.hmac.compare_digest

    def counting(left: bytes, right: bytes) -> bool:
        nonlocal compared
        compared += 1
        return real(left, right)

    hashed, looked_up, configured = world.pepper.count, world.table.count, CountingTable(auth.configured)
    auth.configured = configured  # type: ignore[assignment]
    module.hmac.compare_digest = counting  # type: ignore[assignment]
    try:
        failure = failure_of(lambda: auth.identify(credentials))
    finally:
        module.hmac.compare_digest = real
    told = (type(failure), failure.http_status, failure.message, failure.code, failure.param, failure.retry_after_s)
    return (*told, world.pepper.count - hashed, world.table.count - looked_up, configured.count, compared)


def test_unknown_revoked_and_expired_keys_look_alike_and_cost_alike(world: World) -> None:
    expired = world.add(1, Grant("old", "acme", expires_s=world.now_s))
    revoked = world.add(2, Grant("gone", "acme"))
    del world.table[world.pepper.of(revoked)]
    stale = key_number(3)
    entry = {"key_sha256": fingerprint(stale).hex(), "expires": "2020-01-01"}
    auth = authenticator(world, keys={"stale": entry})
    outcomes = {refused(world, auth, Credentials(key, "u1", "1.2.3.4")) for key in (key_number(9), revoked, expired, stale)}
    assert len(outcomes) == 1
    (outcome,) = outcomes
    assert outcome[:2] == (Unauthenticated, 401)
    assert outcome[-4:] == (1, 1, 1, 2)  # one HMAC, one look in each table, the key and the admin token compared
    assert world.uses == []


def test_a_key_works_until_the_moment_it_expires(world: World) -> None:
    secret = world.add(1, Grant("ci", "acme", expires_s=world.now_s + 10))
    auth = authenticator(world)
    world.now_s += 9.999
    assert auth.identify(Credentials(secret)).id == "acme"
    world.now_s += 0.001
    assert isinstance(failure_of(lambda: auth.identify(Credentials(secret))), Unauthenticated)


def test_a_typo_is_refused_without_a_lookup(world: World) -> None:
    secret = world.add(1, Grant("ci", "acme"))
    auth = authenticator(world)
    hashed, looked_up = world.pepper.count, world.table.count
    wrong = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    failure = failure_of(lambda: auth.identify(Credentials(wrong)))
    assert (world.pepper.count, world.table.count) == (hashed, looked_up)
    assert failure.message == failure_of(lambda: auth.identify(Credentials(key_number(9)))).message
    assert failure.message == failure_of(lambda: auth.identify(Credentials())).message


def test_an_address_that_fails_too_often_must_wait_and_a_good_key_never_does(world: World) -> None:
    secret = world.add(1, Grant("ci", "acme"))
    auth = authenticator(world, failures_per_minute=3)
    bad = Credentials(key_number(9), "", "1.2.3.4")
    for _ in range(3):
        assert isinstance(failure_of(lambda: auth.identify(bad)), Unauthenticated)
    world.now_s += 1
    failure = failure_of(lambda: auth.identify(bad))
    assert isinstance(failure, RateLimited)
    assert failure.retry_after_s == 59
    assert auth.identify(Credentials(secret, "", "1.2.3.4")).id == "acme"
    assert isinstance(failure_of(lambda: auth.identify(Credentials(TOKEN, "", "1.2.3.4"))), RateLimited)  # not even compared
    assert isinstance(failure_of(lambda: auth.identify_admin(Credentials(TOKEN, "", "1.2.3.4"))), RateLimited)
    assert isinstance(failure_of(lambda: auth.identify(Credentials(key_number(9), "", "1.2.3.5"))), Unauthenticated)
    world.now_s += 59
    assert isinstance(failure_of(lambda: auth.identify(bad)), Unauthenticated)
    assert auth.identify_admin(Credentials(TOKEN, "", "1.2.3.4")) == ADMIN


def test_good_keys_and_missing_ones_do_not_count_as_failures(world: World) -> None:
    secret = world.add(1, Grant("ci", "acme"))
    auth = authenticator(world, failures_per_minute=2)
    for _ in range(10):
        auth.identify(Credentials(secret, "", "1.2.3.4"))
        failure_of(lambda: auth.identify(Credentials("", "", "1.2.3.4")))
        failure_of(lambda: auth.identify_admin(Credentials(secret, "", "1.2.3.4")))
    assert isinstance(failure_of(lambda: auth.identify(Credentials("wrong", "", "1.2.3.4"))), Unauthenticated)


def test_the_admin_token_is_the_administrator_everywhere(world: World) -> None:
    world.add(1, Grant("ci", "acme"))
    auth = authenticator(world)
    assert auth.identify(Credentials(TOKEN, "u1")) == auth.identify_admin(Credentials(TOKEN)) == ADMIN
    assert authenticator(World()).identify(Credentials(TOKEN)) == ADMIN
    assert (ADMIN.id, ADMIN.is_admin) == ("admin", True)


def test_admin_endpoints_take_nothing_else(world: World) -> None:
    secret = world.add(1, Grant("ci", "acme"))
    for auth in (authenticator(world), authenticator(World())):
        assert isinstance(failure_of(lambda found=auth: found.identify_admin(Credentials())), Unauthenticated)  # type: ignore[misc]
        assert isinstance(failure_of(lambda found=auth: found.identify_admin(Credentials(TOKEN[:-1]))), Unauthenticated)  # type: ignore[misc]
    assert isinstance(failure_of(lambda: authenticator(world).identify_admin(Credentials(secret))), Forbidden)


def test_guessing_at_the_admin_token_is_braked_on_an_open_gateway_too(world: World) -> None:
    auth = authenticator(world, failures_per_minute=5)
    for number in range(6):
        assert auth.identify(Credentials(f"guess {number}", "", "1.2.3.4")) == ANONYMOUS
    assert auth.identify(Credentials(TOKEN, "", "1.2.3.4")) == ANONYMOUS  # right, but no longer heard
    assert isinstance(failure_of(lambda: auth.identify_admin(Credentials(TOKEN, "", "1.2.3.4"))), RateLimited)
    assert auth.identify(Credentials(TOKEN, "", "1.2.3.5")) == ADMIN
    world.now_s += 61
    assert auth.identify(Credentials(TOKEN, "", "1.2.3.4")) == ADMIN


def test_the_dummy_key_of_a_client_library_does_not_lock_the_administrator_out(world: World) -> None:
    auth = authenticator(world, failures_per_minute=2)
    for _ in range(100):
        assert auth.identify(Credentials("sk-dummy", "", "127.0.0.1")) == ANONYMOUS
    assert auth.identify_admin(Credentials(TOKEN, "", "127.0.0.1")) == ADMIN


def test_dummies_take_bounded_memory(world: World) -> None:
    auth = authenticator(world, failures_per_minute=1000)
    for number in range(3 * module.MAX_DUMMIES):
        auth.identify(Credentials(f"dummy {number}", "", f"10.0.{number // 200}.1"))
    assert len(auth._dummies) <= module.MAX_DUMMIES


def test_a_lent_token_stands_for_its_caller_while_it_is_lent(world: World) -> None:
    auth = authenticator(world, required=True)
    caller = Caller("acme", key_id="key_1", owner="acme")
    with auth.lent(ADMIN) as of_admin, auth.lent(caller) as of_key:
        assert of_admin != of_key
        assert auth.identify(Credentials(of_admin, "ada")) == auth.identify_admin(Credentials(of_admin)) == ADMIN
        assert auth.identify(Credentials(of_key)) == caller
        assert auth.identify(Credentials(of_key, "ada")).id == "acme/ada"
        assert isinstance(failure_of(lambda: auth.identify_admin(Credentials(of_key))), Forbidden)
    for token in (of_admin, of_key):
        assert isinstance(failure_of(lambda token=token: auth.identify(Credentials(token))), Unauthenticated)
        assert isinstance(failure_of(lambda token=token: auth.identify_admin(Credentials(token))), Unauthenticated)
