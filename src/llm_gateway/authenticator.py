"""Says who a call is counted against, and refuses those who cannot say.

Without keys the gateway is open: a caller is who it says it is. As soon as one key exists, in the configuration or made
while it runs, or `auth.required` is set, every call needs a key, and a `user_id` is only a label inside its owner's tenant.
"""

import hmac
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from math import inf
from secrets import token_urlsafe
from typing import Final, NoReturn

from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Forbidden, InvalidRequest, RateLimited, Unauthenticated
from llm_gateway.core.exchange import ANONYMOUS, Caller, Credentials, Exchange, Next, Reply
from llm_gateway.core.settings import AuthSettings
from llm_gateway.identity.admin_token import AdminToken
from llm_gateway.identity.configured import configured_keys
from llm_gateway.identity.failures import FailureLimiter
from llm_gateway.identity.key_store import Entry, KeyStore
from llm_gateway.identity.keys import Grant, Key, is_well_formed

ADMIN: Final = Caller("admin", is_admin=True)
MAX_CALLER_LENGTH: Final = 256
FAILURE_WINDOW_S: Final = 60.0
MAX_DUMMIES: Final = 4096
"""Tokens without meaning that are remembered while the gateway is open."""

_NOBODY: Final = Entry(Key("", bytes(32), Grant("", "")), ANONYMOUS, -inf)
"""Stands in for a key that there is not, so that an unknown key costs what an expired one costs."""

KEY_NEEDED: Final = "a valid API key is needed: Authorization: Bearer, or x-api-key"
ADMIN_NEEDED: Final = "the admin token is needed: Authorization: Bearer (ADMIN_TOKEN, or the file admin_token in the data folder)"


class Authenticator:
    """The stage, and the answer to "who is this" for every other endpoint. One for each configuration."""

    def __init__(self, settings: AuthSettings, admin: AdminToken, keys: KeyStore, clock: Clock) -> None:
        self.admin = admin
        self.configured: dict[bytes, Entry] = {key.digest: Entry.of(key) for key in configured_keys(settings, keys.pepper)}
        self._keys = keys
        self._clock = clock
        self._closed = settings.required or bool(self.configured)
        self._failures = FailureLimiter(settings.failures_per_minute, FAILURE_WINDOW_S, settings.failing_addresses)
        self._dummies: set[int] = set()
        self._lent: dict[str, Caller] = {}

    @property
    def is_open(self) -> bool:
        """Whether everybody is served without a key."""
        return not (self._closed or self._keys.any_exist)

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        exchange.caller = self.identify(exchange.credentials)
        return call_next(exchange)

    def key(self, key_id: str) -> Key | None:
        """The key in force behind a caller's `key_id`: its budget, its name."""
        found = self._keys.by_id(key_id)
        return found or next((entry.key for entry in self.configured.values() if entry.key.id == key_id), None)

    @contextmanager
    def lent(self, caller: Caller) -> Iterator[str]:
        """A token that stands for `caller` while the context lasts, for a part of the gateway that has identified somebody and asks
        other parts on behalf of them. It never leaves the process."""
        token = "lent " + token_urlsafe(32)
        self._lent[token] = caller
        try:
            yield token
        finally:
            del self._lent[token]

    def identify(self, credentials: Credentials) -> Caller:
        """The caller behind what a request says of its sender.

        Raises:
            Unauthenticated: a key is needed, and none that is in force was shown. Never says which it was.
            RateLimited: this address failed too often, and failed again.
            InvalidRequest, Forbidden: the `user_id` is none.
        """
        token = credentials.token
        if token:
            entry = self._entry(token)
            if entry is not None:
                return _user_of(entry.caller, credentials.user_id)
            if (caller := self._lent.get(token)) is not None:
                return _user_of(caller, credentials.user_id) if caller.key_id else caller
            if self._shows_admin_token(token, credentials.address):
                return ADMIN
        elif not self.is_open:
            _refuse()
        return _named(credentials.user_id) if credentials.user_id else ANONYMOUS

    def identify_admin(self, credentials: Credentials) -> Caller:
        """The administrator.

        Raises:
            Forbidden: a key that is no administrator's was shown.
            Unauthenticated, RateLimited: as in `identify`.
        """
        token = credentials.token
        if not token:
            _refuse(ADMIN_NEEDED)
        if self._entry(token) is not None:
            raise Forbidden("this endpoint needs the admin token: an API key does not open it")
        if (caller := self._lent.get(token)) is not None:
            if not caller.is_admin:
                raise Forbidden("this endpoint needs the admin token: an API key does not open it")
            return caller
        self._check_blocked(credentials.address)
        if not self.admin.matches(token):
            self._fail(credentials.address, ADMIN_NEEDED)
        return ADMIN

    def _entry(self, token: str) -> Entry | None:
        """The key in force that `token` is. Unknown, revoked and expired ones cost the same."""
        if not is_well_formed(token):
            return None
        digest = self._keys.pepper.of(token)
        configured, made = self.configured.get(digest), self._keys.table.get(digest)
        entry = configured or made or _NOBODY
        now_s = self._clock.wall_s()
        if not hmac.compare_digest(entry.key.digest, digest) or now_s >= entry.expires_s:
            return None
        self._keys.used(entry.key.id, now_s)
        return entry

    def _shows_admin_token(self, token: str, address: str) -> bool:
        """Whether a token that is no key is the admin token. False only where the gateway is open to all others.

        Keys are looked up first and whatever the address did, so nobody can lock others out by failing beside them;
        guessing at the one token that a person may have made up is braked, also on an open gateway. There, clients send
        the made-up key that their library insists on: each such token is compared once and then passed over.
        """
        if not self.is_open:
            self._check_blocked(address)
            if not self.admin.matches(token):
                self._fail(address)
            return True
        mark = hash(token)
        now_s = self._clock.monotonic_s()
        if mark in self._dummies or self._failures.blocked_s(address, now_s) is not None:
            return False
        if self.admin.matches(token):
            return True
        if len(self._dummies) >= MAX_DUMMIES:
            self._dummies.clear()
        self._dummies.add(mark)
        self._failures.note(address, now_s)
        return False

    def _check_blocked(self, address: str) -> None:
        wait_s = self._failures.blocked_s(address, self._clock.monotonic_s())
        if wait_s is not None:
            raise RateLimited("too many wrong credentials came from this address", code="too_many_failures", retry_after_s=wait_s)

    def _fail(self, address: str, needed: str = KEY_NEEDED) -> NoReturn:
        self._failures.note(address, self._clock.monotonic_s())
        _refuse(needed)


def _refuse(needed: str = KEY_NEEDED) -> NoReturn:
    raise Unauthenticated(needed)


def _user_of(caller: Caller, user_id: str) -> Caller:
    """The user of a key's owner. The first slash ends the owner: no user of one is anybody of another."""
    if not user_id:
        return caller
    name = _checked(f"{caller.id}/{user_id}")
    return Caller(name, caller.tier, caller.key_id, False, caller.owner, caller.allowed_providers, caller.allowed_models)


def _named(user_id: str) -> Caller:
    """The caller who says of itself who it is."""
    if user_id == ADMIN.id:
        raise Forbidden(f"user_id: {user_id!r} stands for who has the admin token; choose another", param="user_id")
    return Caller(_checked(user_id))


def _checked(name: str) -> str:
    if len(name) > MAX_CALLER_LENGTH or not name.isprintable():
        raise InvalidRequest(f"user_id: expected at most {MAX_CALLER_LENGTH} printable characters, with the key's owner", param="user_id")
    return name
