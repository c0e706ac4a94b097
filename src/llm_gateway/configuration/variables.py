"""The environment: one table of every variable, and what each sets."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, get_args

import msgspec

from llm_gateway.configuration import shape
from llm_gateway.configuration.providers import DEFAULT_PROVIDERS
from llm_gateway.configuration.shape import Path, find
from llm_gateway.core.settings import ServiceName

CONFIG_VARIABLE: Final = "LLM_GATEWAY_CONFIG"
GENERIC_PREFIX: Final = "LLM_GATEWAY__"
REDIS_PORT: Final = 6379
"""Where Redis listens when nobody says otherwise."""


class Variable(msgspec.Struct, frozen=True):
    """One environment variable. `sets` is the path it fills; empty: `meaning` says what it does."""

    name: str
    sets: Path = ()
    meaning: str = ""


def _section(prefix: str, section: Path, keys: tuple[str, ...]) -> tuple[Variable, ...]:
    return tuple(Variable(f"{prefix}_{key.upper()}", (*section, key)) for key in keys)


def _of_providers() -> Iterator[Variable]:
    for name in DEFAULT_PROVIDERS:
        yield from _section(name.upper(), ("providers", name), ("endpoint", "api_key", "model"))
        if name == "grok":
            yield Variable("XAI_API_KEY", ("providers", "grok", "api_key"), "The vendor's own name for GROK_API_KEY, which goes first.")


AWS_FILLS: Final = (
    ("AWS_REGION", "region"),
    ("AWS_DEFAULT_REGION", "region"),
    ("AWS_BEARER_TOKEN_BEDROCK", "api_key"),
    ("AWS_ACCESS_KEY_ID", "aws_access_key_id"),
    ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
    ("AWS_SESSION_TOKEN", "aws_session_token"),
)
"""AWS's own variables and the key each fills in providers of kind bedrock that do not have it."""

_AWS_MEANINGS: Final = {
    "region": "Region of bedrock providers that name none.",
    "api_key": "Bedrock API key of bedrock providers at AWS that have no credentials of their own.",
}

VARIABLES: Final = (
    Variable(CONFIG_VARIABLE, meaning="Path of the YAML file, where `--config` does not give it."),
    *_section("LLM_GATEWAY", ("server",), ("host", "port", "workers", "data_dir", "log_level")),
    Variable("ALL_PROVIDERS", meaning="The providers that are enabled, in the order of their priority; all others are switched off."),
    *_of_providers(),
    *(
        Variable(name, (), _AWS_MEANINGS.get(key, "Credentials of bedrock providers that have none of their own."))
        for name, key in AWS_FILLS
    ),
    Variable("SENSITIVE_KEYWORDS", ("security", "sensitive_keywords")),
    Variable("SENSITIVITY_THRESHOLD", ("security", "sensitivity_threshold")),
    Variable("SECURE_ONLY_MODELS", ("security", "secure_only_models")),
    *_section("CACHE", ("cache",), ("max_size", "default_ttl", "cleanup_interval", "enable_compression", "scope")),
    *_section(
        "RATE_LIMIT",
        ("rate_limiting", "default"),
        ("requests_per_minute", "requests_per_hour", "tokens_per_minute", "burst_limit", "cooldown_seconds"),
    ),
    Variable("ADMIN_TOKEN", ("auth", "admin_token")),
    Variable("AUDIT_KEY", ("audit", "key")),
    Variable("KEY_PEPPER", ("auth", "key_pepper")),
    Variable("STORAGE_ENCRYPTION_KEY", ("storage", "encryption_key")),
    Variable("DATABASE_URL", ("storage", "database_url")),
    Variable("REDIS_URL", ("storage", "redis_url")),
    Variable("REDIS_HOST", meaning="Host of a Redis without a password, where REDIS_URL is not set."),
    Variable("REDIS_PORT", meaning=f"Its port, with REDIS_HOST; {REDIS_PORT} when not set."),
    *(Variable(f"{name.upper()}_URL", ("services", name, "url")) for name in get_args(ServiceName)),
)

NAMES: Final = frozenset(variable.name for variable in VARIABLES)

_SERVICE_LINK: Final = re.compile(r"(tcp|udp|sctp)://")
_NOT_OURS: Final = re.compile(r"LLM_GATEWAY_(URL|API_KEY|SERVICE_(HOST|PORT)\w*|PORT_\d+_(TCP|UDP|SCTP)\w*)")
"""LLM_GATEWAY_* variables that are not for the gateway: its clients', and those that Kubernetes gives every pod beside a service
named llm-gateway (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables)."""

Put = Callable[[Path, object, str], None]
"""Takes a path, a value and its origin."""


def present(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without white space around values (a file's last line break, mostly), and without empty values."""
    return {name: value.strip() for name, value in environ.items() if value.strip()}


def origin_of(name: str) -> str:
    return f"environment {name}"


def typed(text: str, path: Path) -> object:
    """What a variable's text means for the setting at `path`: lists are comma separated."""
    place = find(path)
    return _items(text) if place is not None and place.is_list else text


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def apply_named(environ: Mapping[str, str], put: Put, warn: Callable[[str], None]) -> None:
    """Hand every setting that a named variable makes to `put`; `environ` as `present` gives it."""
    usable = dict(environ)
    for name in ("LLM_GATEWAY_PORT", "REDIS_PORT"):
        if _SERVICE_LINK.match(usable.get(name, "")):
            # A Kubernetes service named llm-gateway (or redis) puts its own address there.
            warn(f"{name} is a Kubernetes service link, not a port: it is not used")
            del usable[name]
    done: set[Path] = set()
    for variable in VARIABLES:
        if variable.sets and variable.name in usable and variable.sets not in done:
            done.add(variable.sets)
            put(variable.sets, typed(usable[variable.name], variable.sets), origin_of(variable.name))
    if "REDIS_HOST" in usable and "REDIS_URL" not in usable:
        host = usable["REDIS_HOST"]
        address = f"[{host}]" if ":" in host else host
        put(("storage", "redis_url"), f"redis://{address}:{usable.get('REDIS_PORT', REDIS_PORT)}/0", origin_of("REDIS_HOST"))
    for name in environ:
        if name.startswith("LLM_GATEWAY_") and not (name in NAMES or name.startswith(GENERIC_PREFIX) or _NOT_OURS.fullmatch(name)):
            near = shape.nearest(name, (known.lower() for known in NAMES))
            warn(f"{name} is no variable of the gateway" + (f"; did you mean {near.upper()}?" if near else ""))


def apply_all_providers(environ: Mapping[str, str], known: tuple[str, ...], put: Put) -> None:
    """`ALL_PROVIDERS=ollama,openai`: these are enabled, asked in this order by the `priority` strategy; the other `known` ones are off."""
    if not (text := environ.get("ALL_PROVIDERS")):
        return
    origin = origin_of("ALL_PROVIDERS")
    listed = _items(text)
    for name in known:
        put(("providers", name, "enabled"), name in listed, origin)
    for priority, name in enumerate(listed):
        put(("providers", name, "priority"), priority, origin)


def apply_generic(environ: Mapping[str, str], tree: Mapping[str, object], put: Put) -> None:
    """`LLM_GATEWAY__SECTION__KEY=value` for any key. Names in `tree` are found whatever their case and signs: MY_VLLM is `my-vllm`."""
    for name, text in environ.items():
        if name.startswith(GENERIC_PREFIX):
            path = _generic_path(name.removeprefix(GENERIC_PREFIX).split("__"), tree)
            put(path, typed(text, path), origin_of(name))


def _generic_path(segments: list[str], tree: Mapping[str, object]) -> Path:
    path: Path = ()
    here: object = tree
    for segment in segments:
        place = find(path)
        known = (place.keys() if place is not None and place.is_section else ()) or ()
        names = (*known, *(here if isinstance(here, Mapping) else ()))
        key = next((str(candidate) for candidate in names if _folded(str(candidate)) == segment.upper()), segment.lower())
        here = here.get(key) if isinstance(here, Mapping) else None
        path = (*path, key)
    return path


def _folded(key: str) -> str:
    return re.sub(r"[^A-Z0-9_]", "_", key.upper())


def aws_fills(environ: Mapping[str, str], provider: Mapping[str, object], *, at_aws: bool) -> Iterator[tuple[str, str, str]]:
    """What AWS's own variables add to one bedrock provider: key, value, variable.

    They describe the machine, so they fill gaps and replace nothing; credentials are taken together, or not at all where the provider
    has any. The bearer token is sent as it is: only a provider whose endpoint is AWS's (`at_aws`) gets it.
    """
    has_credentials = any(provider.get(key) for _, key in AWS_FILLS if key != "region")
    filled: set[str] = set()
    for name, key in AWS_FILLS:
        blocked = has_credentials if key != "region" else bool(provider.get("region"))
        if name in environ and key not in filled and not blocked and (key != "api_key" or at_aws):
            filled.add(key)
            yield key, environ[name], name
