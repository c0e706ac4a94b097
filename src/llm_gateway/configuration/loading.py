"""From file, environment and flags to settings: who wins, where each value came from, and all that is wrong at once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Final
from urllib.parse import urlsplit

import msgspec
from pydantic import ValidationError

from llm_gateway.configuration import checks, variables, yaml_file
from llm_gateway.configuration.draft import SKIP, Draft
from llm_gateway.configuration.expansion import expand
from llm_gateway.configuration.providers import DEFAULT_PROVIDERS
from llm_gateway.configuration.shape import Path, leaves, path_text
from llm_gateway.configuration.variables import CONFIG_VARIABLE
from llm_gateway.core.errors import ConfigurationError
from llm_gateway.core.settings import Settings

DEFAULT_ORIGIN: Final = "default"
FLAGS: Final[Mapping[str, Path]] = {key: ("server", key) for key in ("host", "port", "workers", "data_dir", "log_level")}
"""Settings with a command-line flag of their own name; any other may be given by its dotted path, and is shown as `--set`."""

_MAY_BE_EMPTY: Final = frozenset({"api_key", "endpoint", "region", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"})
"""Keys of a provider that an unset `${VAR}` may leave empty: the provider is then unconfigured, or the vendor's default counts."""


class Loaded(msgspec.Struct, frozen=True):
    """A valid configuration.

    `origins` says for each value's dotted path where it came from: `default`, `file config.yaml:12`, `environment OPENAI_MODEL`,
    `flag --port`. `digest` is that of the file's bytes (empty without a file), `path` the file itself.
    """

    settings: Settings
    origins: dict[str, str]
    warnings: list[str]
    path: FilePath | None = None
    digest: str = ""


def load(config_path: FilePath | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Loaded:
    """Read the configuration: flags win over the environment, that over the file, that over the defaults.

    `config_path` None takes the path from LLM_GATEWAY_CONFIG, or no file. `flags` are by name (`port`) or dotted path (`server.port`);
    one whose value is None was not given.

    Raises:
        ConfigurationError: the message lists every problem: path, where the value came from, value (secrets masked), what was expected.
    """
    present = variables.present(environ)
    if config_path is None and CONFIG_VARIABLE in present:
        config_path = FilePath(present[CONFIG_VARIABLE])
    draft = Draft()
    draft.put((), {"providers": DEFAULT_PROVIDERS, "rate_limiting": {"default": {}}}, DEFAULT_ORIGIN)
    digest = _add_file(draft, config_path, present) if config_path is not None else ""
    _add_environment(draft, present)
    for flag, value in flags.items():
        if value is not None:
            path = FLAGS.get(flag, tuple(flag.split(".")))
            own_name = next((name.replace("_", "-") for name, sets in FLAGS.items() if sets == path), f"set {flag}")
            draft.put(path, value, f"flag --{own_name}")
    _fill_from_aws(draft, present)
    settings = _validated(draft)
    origins = {path_text(path): draft.origins.get(path, DEFAULT_ORIGIN) for path, _ in leaves(settings)}
    return Loaded(settings, origins, [*draft.final_notes(), *draft.warnings, *checks.remarks(settings)], config_path, digest)


def _add_file(draft: Draft, path: FilePath, environ: Mapping[str, str]) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} cannot be read: {error.strerror or type(error).__name__}") from None
    try:
        document = yaml_file.parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"the configuration file {path} is not UTF-8 text: line {line}") from None

    def origin(line: int) -> str:
        return f"file {path.name}:{line}" if line else f"file {path.name}"

    for fault in document.faults:
        draft.complain(fault.path, origin(fault.line), fault.text)
    draft.lines = {place: origin(line) for place, line in document.lines.items()}
    draft.put((), _Expansion(draft, environ).value(document.values, ()), None)
    return hashlib.sha256(data).hexdigest()


def _add_environment(draft: Draft, environ: Mapping[str, str]) -> None:
    variables.apply_named(environ, draft.put, draft.warnings.append)
    variables.apply_generic(environ, draft.tree, draft.put)

    def put_unless_named_exactly(path: Path, value: object, origin: str) -> None:
        if not draft.origins.get(path, "").startswith(variables.origin_of(variables.GENERIC_PREFIX)):
            draft.put(path, value, origin)

    variables.apply_all_providers(environ, draft.names("providers"), put_unless_named_exactly)


class _Expansion:
    """Fills in the variables of the file's values."""

    def __init__(self, draft: Draft, environ: Mapping[str, str]) -> None:
        self._draft = draft
        self._environ = environ

    def value(self, value: yaml_file.Value, path: Path) -> object:
        if isinstance(value, dict):
            return {key: self.value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            items = [self.value(item, (*path, index)) for index, item in enumerate(value)]
            return SKIP if SKIP in items else items
        return self._text(value, path) if isinstance(value, str) else value

    def _text(self, text: str, path: Path) -> object:
        expanded = expand(text, self._environ)
        origin = self._draft.lines[path]
        if expanded.malformed:
            wanted = "expected ${NAME} or ${NAME:-default}, or $${ for the text itself"
            self._draft.complain(path_text(path), origin, f"`${{` without a variable; {wanted}")
        if not expanded.unset:
            return expanded.text
        names = " and ".join(dict.fromkeys(expanded.unset))
        if path[0] == "providers" and path[-1] in _MAY_BE_EMPTY:
            self._draft.note(path, origin, f"{names} is not set, so this is empty")
            return ""
        self._draft.complain(path_text(path), origin, f"{names} is not set; set it, or give a default: ${{{expanded.unset[0]}:-default}}")
        return SKIP


def _fill_from_aws(draft: Draft, environ: Mapping[str, str]) -> None:
    for name in draft.names("providers"):
        provider = draft.section(("providers", name))
        if provider.get("kind", name) == "bedrock":
            at_aws = _is_aws(str(provider.get("endpoint") or ""))
            for key, value, variable in list(variables.aws_fills(environ, provider, at_aws=at_aws)):
                draft.put(("providers", name, key), value, variables.origin_of(variable))


def _is_aws(endpoint: str) -> bool:
    """Whether an endpoint is AWS's own (as none is)."""
    try:
        parts = urlsplit(endpoint)
    except ValueError:
        return False
    return not endpoint or (parts.scheme == "https" and (parts.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")))


def _validated(draft: Draft) -> Settings:
    """The settings, or every problem: those of single values, and those between the values that are right."""
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(draft.tree)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            draft.complain_of_value(detail["loc"], detail["type"], detail["input"])
        settings = _without_faults(draft)
    if settings is not None:
        for path, text in checks.complaints(settings):
            draft.complain_between(path, text)
    if settings is None or draft.problems:
        raise ConfigurationError(draft.verdict())
    return settings


def _without_faults(draft: Draft) -> Settings | None:
    """The settings as they would be without the wrong values, so that one look finds what is wrong between the others."""
    try:
        return Settings.model_validate(draft.without_faults())
    except ValidationError:
        return None
