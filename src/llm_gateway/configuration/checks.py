"""What the models cannot say: settings that must fit each other, and settings that work but deserve a word."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import re2
from pydantic import SecretStr

from llm_gateway.configuration.providers import KINDS, is_local_url, kind_of, security_level_of
from llm_gateway.configuration.shape import Path, leaves, nearest
from llm_gateway.core.settings import ProviderSettings, Settings
from llm_gateway.core.types import SecurityLevel
from llm_gateway.identity.admin_token import weakness
from llm_gateway.identity.configured import key_faults

_PROVIDER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE: Final = re.compile(r"[!-~]*")
_HEADER_VALUE: Final = re.compile(r"[ -~]*")
_REDIS_SCHEMES: Final = ("redis", "rediss", "valkey", "valkeys", "unix")
_SHORT_TOKEN: Final = 20
"""Characters; a random token of fewer is guessable in the long run, and most that people make up are shorter."""

_CLOSE_NAME: Final = 0.75
"""difflib's ratio for a provider's name to be a slip of the pen: `olama` is one of `ollama`, `vllm` is not."""

Complaint = tuple[Path, str]


def complaints(settings: Settings) -> Iterator[Complaint]:
    """Everything that stops a start, with the path it is about. Names no secret."""
    for name, provider in settings.providers.items():
        yield from _of_provider(name, provider)
    for name, service in settings.services.items():
        if service.url and (text := _url_fault(service.url)):
            yield ("services", name, "url"), text
    yield from _of_storage(settings)
    yield from _of_limits(settings)
    yield from _of_cache(settings)
    webhook = settings.alerts.webhook_url.get_secret_value()
    if webhook and (fault := _webhook_fault(webhook)):
        yield ("alerts", "webhook_url"), fault
    for index, name in enumerate(settings.security.secure_only_models):
        if name not in settings.providers:
            yield ("security", "secure_only_models", index), _no_provider(name, settings)
    for name, pattern in settings.security.rules.items():
        if fault := _re2_fault(pattern):
            yield ("security", "rules", name), f"not an RE2 pattern: {fault}"
    if settings.routing.retry_base_s > settings.routing.retry_max_s:
        yield ("routing", "retry_base_s"), f"more than routing.retry_max_s ({settings.routing.retry_max_s:g})"
    for path, value in leaves(settings.auth, ("auth",)):
        if isinstance(value, SecretStr) and not _VISIBLE.fullmatch(value.get_secret_value()):
            yield path, _NOT_VISIBLE
    yield from _of_auth(settings)


def _webhook_fault(url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "not a URL: expected https://host/path"
    if parts.username is not None or parts.fragment or not _VISIBLE.fullmatch(url):
        return "has a user name, a fragment or letters beyond ASCII; expected https://host/path"
    if parts.scheme == "http" and not is_local_url(url):
        return "plain http leaves this network; expected https"
    return None


def _of_cache(settings: Settings) -> Iterator[Complaint]:
    semantic = settings.cache.semantic
    name = semantic.embeddings.provider
    path: Path = ("cache", "semantic", "embeddings")
    if name == "offline":
        if semantic.embeddings.model:
            yield (*path, "model"), "the offline model is one; expected it to be left out"
    elif name not in settings.providers:
        yield (*path, "provider"), f"{_no_provider(name, settings)}, and `offline`"
    elif not (semantic.embeddings.model or settings.providers[name].embedding_model):
        yield (*path, "model"), f"missing, and providers.{name} has no embedding_model"


def _of_auth(settings: Settings) -> Iterator[Complaint]:
    token = settings.auth.admin_token.get_secret_value()
    if token and (fault := weakness(token)):
        yield ("auth", "admin_token"), fault
    for path, text in key_faults(settings):
        yield ("auth", *path), text


_NOT_VISIBLE: Final = "holds spaces, line breaks or letters beyond ASCII, which cannot stand in a header"


def _of_provider(name: str, provider: ProviderSettings) -> Iterator[Complaint]:
    path: Path = ("providers", name)
    if not _PROVIDER_NAME.fullmatch(name) or name == "auto":
        yield path, "not a provider's name: expected letters, digits, `_`, `-`, `.`, and not `auto`, which leaves the choice to the router"
    if kind_of(name, provider) is None:
        near = nearest(name, KINDS, cutoff=_CLOSE_NAME)
        hint = f" (or did you mean the provider `{near}`?)" if near else ""
        yield (*path, "kind"), f"missing; expected one of {', '.join(KINDS)}{hint}"
    if provider.endpoint and (text := _url_fault(provider.endpoint)):
        yield (*path, "endpoint"), text
    for leaf, value in leaves(provider, path):
        if isinstance(value, SecretStr) and not _VISIBLE.fullmatch(value.get_secret_value()):
            yield leaf, _NOT_VISIBLE
    for header, value in provider.headers.items():
        if not _HEADER_NAME.fullmatch(header):
            yield (*path, "headers", header), "not a header's name"
        elif not _HEADER_VALUE.fullmatch(value):
            yield (*path, "headers", header), "holds line breaks or letters beyond ASCII, which cannot stand in a header"


def _url_fault(url: str) -> str:
    wanted = "expected a base URL like https://host/path"
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        return f"not a URL; {wanted}"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_ok or not _VISIBLE.fullmatch(url):
        return f"not an http or https URL; {wanted}"
    if parts.username is not None or parts.password is not None:
        return f"a user or password stands in it; put the secret in `api_key` or `headers`; {wanted}"
    return f"a query or fragment stands in it; {wanted}" if parts.query or parts.fragment else ""


def _of_storage(settings: Settings) -> Iterator[Complaint]:
    redis_url = settings.storage.redis_url.get_secret_value()
    scheme = redis_url.partition("://")[0]
    if redis_url and scheme not in _REDIS_SCHEMES:
        yield ("storage", "redis_url"), "not a Redis URL; expected redis://host:port/0, rediss:// for TLS, or unix:///path"
    if settings.server.workers > 1 and not redis_url:
        yield ("server", "workers"), "more than one worker needs storage.redis_url (REDIS_URL): they share limits and cache through Redis"
    database_url = settings.storage.database_url.get_secret_value()
    if database_url and not re.match(r"[a-z][a-z0-9+]*://", database_url):
        yield ("storage", "database_url"), "not a database URL; expected something like postgresql://user:password@host/name"


def _of_limits(settings: Settings) -> Iterator[Complaint]:
    for caller, tier in settings.limits.callers.items():
        if tier not in settings.rate_limiting:
            yield ("limits", "callers", caller), f"rate_limiting has no tier {tier!r}; there are {', '.join(settings.rate_limiting)}"
    for name in settings.limits.models:
        provider, slash, _ = name.partition("/")
        near = nearest(provider, settings.providers)
        if slash and near and provider not in settings.providers:
            yield ("limits", "models", name), f"no provider is named {provider!r}; did you mean `{near}`?"


def _no_provider(name: str, settings: Settings) -> str:
    near = nearest(name, settings.providers)
    return "no provider has this name; " + (f"did you mean `{near}`?" if near else f"there are {', '.join(settings.providers)}")


def _re2_fault(pattern: str) -> str:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        return detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
    return ""


def remarks(settings: Settings) -> Iterator[str]:
    """What works, but may not be what was meant."""
    yield from _about_limits(settings)
    yield from _about_replicas(settings)
    enabled = {name: provider for name, provider in settings.providers.items() if provider.enabled}
    levels = {name: security_level_of(name, provider) for name, provider in enabled.items()}
    needed = settings.security.minimum_level
    for name, provider in enabled.items():
        yield from _about_provider(name, provider, levels[name])
    chosen = settings.security.secure_only_models or tuple(levels)
    for name in settings.security.secure_only_models:
        if name in levels and levels[name].rank < needed.rank:
            yield f"security.secure_only_models names {name} of level {levels[name]}: sensitive content needs {needed} and never goes there"
    if not any(levels[name].rank >= needed.rank for name in chosen if name in levels):
        yield f"no enabled provider may get sensitive content (level {needed}): such requests will be refused"
    if not settings.security.auto_classification:
        yield "security.auto_classification is off: all content counts as sensitive"
    token = settings.auth.admin_token.get_secret_value()
    if token and len(token) < _SHORT_TOKEN:
        yield f"auth.admin_token has {len(token)} characters: use a random one of {_SHORT_TOKEN} or more"


def _about_limits(settings: Settings) -> Iterator[str]:
    if settings.limits.replicas > 1 and not settings.storage.redis_url.get_secret_value():
        yield f"limits.replicas is {settings.limits.replicas}, but without storage.redis_url each of them grants the whole of every limit"


def _about_replicas(settings: Settings) -> Iterator[str]:
    if settings.limits.replicas <= 1:
        return
    shared = {
        "auth.key_pepper": settings.auth.key_pepper,
        "auth.admin_token": settings.auth.admin_token,
        "audit.key": settings.audit.key,
        "storage.encryption_key": settings.storage.encryption_key,
    }
    missing = [name for name, secret in shared.items() if not secret.get_secret_value()]
    if missing:
        yield (
            f"limits.replicas is {settings.limits.replicas}: set {', '.join(missing)}, or share server.data_dir; "
            f"else each replica makes its own, and cannot read what the others wrote"
        )


def _about_provider(name: str, provider: ProviderSettings, level: SecurityLevel) -> Iterator[str]:
    if not provider.endpoint or is_local_url(provider.endpoint):
        return
    if provider.endpoint.startswith("http://"):
        yield f"providers.{name}.endpoint is http at an address that is not known to be local: prompts and keys travel unencrypted"
    if kind_of(name, provider) == "ollama" and level is SecurityLevel.HIGH:
        yield f"providers.{name} counts as high because security_level says so, though its address is not known to be local"
