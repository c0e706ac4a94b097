"""Logs: one JSON object a line on standard error, with the correlation id of the call, and without any secret that is known here.

Secrets are taken out by value, from the finished line: whatever part of the gateway or of a library wrote it, in a message, an
exception or a URL. Where a person looks on, lines are readable instead of JSON. A server's lines are written by a thread: whoever
reads them may be slow, or stop reading, and no call waits for that.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Self, TextIO, cast
from urllib.parse import urlsplit

import msgspec
import structlog
from pydantic import BaseModel, SecretStr

MIN_SECRET_CHARACTERS: Final = 6
"""Shorter ones are no secrets, and would blank out words."""
CLOSE_S: Final = 1.0
"""Time for what waits to be written at the end."""
MASK: Final = "[redacted]"
correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")
"""Of the call that this task serves; every line that is logged meanwhile has it."""

_encode_lines: Final = msgspec.json.Encoder().encode_lines
_LEVEL_NAMES: Final = {level: logging.getLevelName(level).lower() for level in logging.getLevelNamesMapping().values()}
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


class Sink:
    """A stream that, inside its context, takes lines at once and lets a thread write them a moment later, many in one go.

    While `out` takes nothing, up to `most_chars` wait; lines beyond are lost, and a line says how many. Outside of the
    context it writes at once: a process that is going to fork must not have a thread.
    """

    def __init__(self, out: TextIO, *, most_chars: int = 8 << 20, gather_s: float = 0.02) -> None:
        self._out = out
        self._most_chars = most_chars
        self._gather_s = gather_s
        self._lines: deque[str] = deque()
        self._chars = 0
        self._lost = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def isatty(self) -> bool:
        return self._out.isatty()

    def write(self, text: str) -> None:
        if self._thread is None:
            self._out.write(text)
            return
        with self._lock:
            if self._chars > self._most_chars:
                self._lost += text.count("\n")
                return
            self._chars += len(text)
            self._lines.append(text)
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        if self._thread is None:
            self._out.flush()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._write_on, name="logs", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._wake.set()
            thread.join(CLOSE_S)

    def _write_on(self) -> None:
        while self._thread is not None or self._lines or self._lost:
            self._wake.wait()
            if self._thread is not None:
                time.sleep(self._gather_s)
                self._wake.clear()
            with self._lock:
                text, lost = "".join(self._lines), self._lost
                self._lines.clear()
                self._lost = 0
            with contextlib.suppress(OSError, ValueError):  # nobody reads any more, and there is no other place to say so
                self._put(text)
                if lost:
                    told = {"lines": lost, "level": "warning", "timestamp": _now(), "event": "log lines were lost"}
                    self._put(_encode_lines([told]).decode())
            with self._lock:
                self._chars -= len(text)

    def _put(self, text: str) -> None:
        try:
            file = self._out.fileno()
        except OSError:  # no file stands behind it
            self._out.write(text)
            return
        # Past the stream, whose lock the end of the process would wait for if nobody reads.
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(file, data) :]


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


def quick(event: str, lines: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """Log lines that are written for every call, each with its level: without the processors, many in one go, in the same form."""
    out = _Stream.out
    if out is None:
        for level, fields in lines:
            structlog.get_logger().log(level, event, **fields)
        return
    now, names = _now(), _LEVEL_NAMES
    said = [{**fields, "level": names[level], "timestamp": now, "event": event} for level, fields in lines if level >= _Stream.level]
    if said:
        out.write(masked(_encode_lines(said).decode()))
        out.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def configure_logs(level: str, stream: TextIO | None = None) -> Sink:
    """Log to standard error, or to `stream`, from `level` on; libraries from `warning` on. Gives the way there."""
    sink = Sink(stream if stream is not None else sys.stderr)
    out = cast(TextIO, sink)
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
    return sink
