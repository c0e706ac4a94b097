"""Logs: one JSON object a line on standard error, with the correlation id of the call, and without any secret that is known here.

Secrets are taken out by value, from the finished line: whatever part of the gateway or of a library wrote it, in a message, an
exception or a URL. Where a person looks on, lines are readable instead of JSON.
"""

import logging
import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

import msgspec
import structlog
from pydantic import BaseModel, SecretStr

MIN_SECRET_CHARACTERS: Final = 6
"""Shorter ones are no secrets, and would blank out words."""
MASK: Final = "[redacted]"
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""Of the call that this task serves; every line that is logged meanwhile has it."""

_hidden: set[str] = set()
_forms: tuple[str, ...] = ()


def hide(secrets: Iterable[str]) -> None:
    """From now on these values are in no line; nor are those of earlier calls."""
    global _forms  # noqa: PLW0603 - one registry for one process
    _hidden.update(secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS)
    escaped = {msgspec.json.encode(secret).decode()[1:-1] for secret in _hidden}
    _forms = tuple(sorted(_hidden | escaped, key=lambda form: (-len(form), form)))


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """Every secret value of a configuration: what the settings call secret, the passwords in its URLs, all headers."""
    for name in type(settings).model_fields:
        yield from _secrets(getattr(settings, name), secret=name == "headers")


def _secrets(value: object, *, secret: bool) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from secrets_of(value)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _secrets(each, secret=secret)
    elif isinstance(value, SecretStr):
        plain = value.get_secret_value()
        yield plain
        if "://" in plain:
            yield from _password(plain)
    elif secret and isinstance(value, str):
        yield value
        yield value.rpartition(" ")[2]  # the token of `Bearer token`


def _password(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield password


def masked(line: str) -> str:
    """A line without the hidden values."""
    for form in _forms:
        if form in line:
            line = line.replace(form, MASK)
    return line


class _Masking:
    """A renderer whose lines hold no hidden value."""

    def __init__(self, renderer: structlog.typing.Processor) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        line = self._renderer(logger, name, event)
        return masked(line if isinstance(line, str) else str(line))


def _with_correlation_id(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    name = correlation_id.get()
    if name:
        event.setdefault("correlation_id", name)
    return event


class _Stream:
    """Where JSON lines go, and from which severity on; None: nobody has configured it, or a person looks on."""

    out: TextIO | None = None
    level = logging.INFO


def quick(level: int, event: str, fields: dict[str, Any]) -> None:
    """Log a line that is written for every call: without the processors, at a third of their cost, in the same form."""
    out = _Stream.out
    if out is None:
        structlog.get_logger().log(level, event, **fields)
    elif level >= _Stream.level:
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        line = msgspec.json.encode({**fields, "level": logging.getLevelName(level).lower(), "timestamp": stamp, "event": event}).decode()
        out.write(masked(line) + "\n")
        out.flush()


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Log to standard error, or to `stream`, from `level` on; libraries from `warning` on."""
    out = stream if stream is not None else sys.stderr
    person = out.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _with_correlation_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if person:
        renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    else:
        # Never the values of local variables: they hold prompts and keys.
        plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        shared.append(structlog.processors.ExceptionRenderer(plain))
        renderer = structlog.processors.JSONRenderer(serializer=_json)
    _Stream.out, _Stream.level = None if person else out, logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, _Masking(renderer)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _Masking(renderer)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
