import hashlib
import hmac
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.identity.keys import Grant, Key, Pepper, fingerprint, is_well_formed, new_key, owner_fault

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def giving(value: bytes) -> Callable[[int], bytes]:
    def random_bytes(count: int) -> bytes:
        assert count == 32
        return value

    return random_bytes


randoms = st.binary(min_size=32, max_size=32)


@given(randoms)
def test_a_key_holds_all_256_bits_and_is_well_formed(value: bytes) -> None:
    key = new_key(giving(value))
    assert len(key) == 52
    assert key.startswith("gw_")
    number = 0
    for digit in key[3:46]:
        number = number * 62 + ALPHABET.index(digit)
    assert number.to_bytes(32, "big") == value
    assert is_well_formed(key)


@given(randoms, st.integers(0, 51), st.characters())
def test_any_single_slip_is_noticed(value: bytes, place: int, slip: str) -> None:
    key = new_key(giving(value))
    typed = key[:place] + slip + key[place + 1 :]
    assert is_well_formed(typed) == (typed == key)


@given(randoms, st.integers(3, 50))
def test_swapped_neighbours_are_noticed(value: bytes, place: int) -> None:
    key = new_key(giving(value))
    typed = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert is_well_formed(typed) == (typed == key)


@pytest.mark.parametrize("text", ["", "gw_", "sk-1234567890abcdef", "gw_" + "0" * 49, new_key(giving(bytes(32))) + "\n", "gw_" + "é" * 49])
def test_what_is_no_key_is_not_taken_for_one(text: str) -> None:
    assert not is_well_formed(text)


def test_the_form_does_not_change() -> None:
    key = new_key(giving(bytes(range(32))))
    assert key == FIXED
    assert fingerprint(FIXED).hex() == hashlib.sha256(FIXED.encode()).hexdigest()


FIXED = "gw_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3Hz8MD"


@given(st.binary(max_size=200), st.text(max_size=80))
def test_the_stored_form_is_hmac_sha_256_of_the_fingerprint(secret: bytes, key: str) -> None:
    pepper = Pepper(secret)
    sha256 = hashlib.sha256(key.encode()).digest()
    assert pepper.of(key) == pepper.of_fingerprint(sha256) == hmac.digest(secret, sha256, "sha256")


def test_a_pepper_shows_nothing_of_itself() -> None:
    assert repr(Pepper(b"hidden secret")) == "Pepper()"
    assert Pepper(b"one").check != Pepper(b"two").check
    assert Pepper(b"one").of(FIXED) != Pepper(b"two").of(FIXED)


@pytest.mark.parametrize("owner", ["acme", "a", "team-a@example.com", "A.b_c+d", "x" * 64])
def test_owners_that_may_be(owner: str) -> None:
    assert owner_fault(owner) == ""


@pytest.mark.parametrize("owner", ["", "a/b", "/", "admin", "anonymous", "x" * 65, "-a", "a b", "a\n", "ä"])
def test_owners_that_may_not_be(owner: str) -> None:
    assert owner_fault(owner)


def test_a_keys_caller_is_its_owner() -> None:
    grant = Grant("ci", "acme", "gold", frozenset({"openai"}), frozenset({"gpt-4o"}))
    caller = Key("key_1", b"", grant).caller()
    assert (caller.id, caller.owner, caller.tier, caller.key_id, caller.is_admin) == ("acme", "acme", "gold", "key_1", False)
    assert (caller.allowed_providers, caller.allowed_models) == (frozenset({"openai"}), frozenset({"gpt-4o"}))
