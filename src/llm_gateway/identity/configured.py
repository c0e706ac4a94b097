"""API keys that the configuration brings. Pure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from llm_gateway.core.settings import AuthSettings, KeySettings, Settings
from llm_gateway.identity.keys import HINT_LENGTH, Grant, Key, Pepper, fingerprint, is_well_formed, owner_fault

MIN_PEPPER_LENGTH: Final = 32
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?")


def configured_keys(settings: AuthSettings, pepper: Pepper) -> list[Key]:
    """The keys under `auth.keys`; their ids are `config:<name>`. The settings have passed `key_faults`."""
    return [
        Key(
            f"config:{name}",
            pepper.of_fingerprint(_fingerprint(entry)),
            _grant(name, entry),
            entry.key.get_secret_value()[:HINT_LENGTH],
            source="config",
        )
        for name, entry in settings.keys.items()
    ]


def _fingerprint(entry: KeySettings) -> bytes:
    return bytes.fromhex(entry.key_sha256) if entry.key_sha256 else fingerprint(entry.key.get_secret_value())


def _grant(name: str, entry: KeySettings) -> Grant:
    return Grant(
        name,
        entry.owner or name,
        entry.tier,
        None if entry.allowed_providers is None else frozenset(entry.allowed_providers),
        None if entry.allowed_models is None else frozenset(entry.allowed_models),
        None if entry.budget_usd is None else Decimal(repr(entry.budget_usd)),
        entry.budget_period,
        unix_s(entry.expires) if entry.expires else None,
    )


def unix_s(text: str) -> float:
    """Unix seconds of an ISO 8601 date (its first moment, UTC) or of a time with its offset.

    Raises:
        ValueError: there is no such date or time.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def key_faults(settings: Settings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with the keys of a configuration, as paths below `auth` and sentences. Names no secret."""
    pepper = settings.auth.key_pepper.get_secret_value()
    if pepper and len(pepper) < MIN_PEPPER_LENGTH:
        yield ("key_pepper",), f"has {len(pepper)} characters; expected {MIN_PEPPER_LENGTH} or more random ones"
    seen: dict[bytes, str] = {}
    for name, entry in settings.auth.keys.items():
        path = ("keys", name)
        key = entry.key.get_secret_value()
        if bool(key) == bool(entry.key_sha256):
            yield (*path, "key"), "expected either `key` or `key_sha256`"
            continue
        if key and not is_well_formed(key):
            yield (*path, "key"), "is no key of this gateway, or was mistyped; expected one made by `llm-gateway keys new`"
            continue
        if entry.key_sha256 and not _SHA256.fullmatch(entry.key_sha256):
            yield (*path, "key_sha256"), "expected 64 hexadecimal digits in lower case"
            continue
        before = seen.setdefault(_fingerprint(entry), name)
        if before != name:
            yield (*path, "key" if key else "key_sha256"), f"is the same key as that of auth.keys.{before}"
        yield from (((*path, *at), text) for at, text in _grant_faults(name, entry, settings))


def _grant_faults(name: str, entry: KeySettings, settings: Settings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if fault := owner_fault(entry.owner or name):
        yield ("owner",), fault
    if entry.tier not in settings.rate_limiting:
        yield ("tier",), f"there is no such tier; rate_limiting has {', '.join(settings.rate_limiting)}"
    for field in ("allowed_providers", "allowed_models"):
        if getattr(entry, field) == ():
            yield (field,), "an empty list allows nothing; name some, or leave the line out to allow all"
    for index, provider in enumerate(entry.allowed_providers or ()):
        if provider not in settings.providers:
            yield ("allowed_providers", index), f"no provider has this name; there are {', '.join(settings.providers)}"
    if entry.expires:
        try:
            unix_s(entry.expires)
        except ValueError:
            yield ("expires",), "expected a date (UTC) that there is, or a time like 2027-01-31T18:00:00Z"
