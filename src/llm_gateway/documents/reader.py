"""Reads uploaded files: plain texts here, whatever strangers can break in a process of its own that is killed in time."""

import asyncio
import contextlib
import math
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.documents.kinds import Format, Limits, Read, format_of, unreadable
from llm_gateway.documents.reading import read

AT_ONCE: Final = 2
"""Files that are read side by side; the others wait for their turn, and their time begins with it."""
_SOURCES: Final = str(Path(__file__).resolve().parents[2])


class _Answer(msgspec.Struct):
    format: Format | None = None
    text: str = ""
    title: str = ""
    pages: int | None = None
    warnings: tuple[str, ...] = ()
    problem: str = ""
    code: str = "unreadable_document"


_decode = msgspec.json.Decoder(_Answer).decode


class FileReader:
    """Reads files for all callers of one process. To be made and used on one event loop."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def read(self, data: bytes, filename: str, media_type: str, limits: Limits, timeout_s: float) -> Read:
        """The text of a file.

        Raises:
            InvalidRequest: it cannot be read, or not within `timeout_s` seconds; says why.
        """
        form = format_of(data, filename, media_type)
        charset = _charset(media_type)
        if form in {"text", "markdown"}:
            return await asyncio.to_thread(read, data, form, limits, charset)
        async with self._turns:
            return await self._apart(data, form, limits, charset, timeout_s)

    async def _apart(self, data: bytes, form: Format, limits: Limits, charset: str, timeout_s: float) -> Read:
        bounds = (str(number) for number in (*limits, math.ceil(timeout_s)))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _START, _SOURCES, form, *bounds, charset,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
        try:
            async with asyncio.timeout(timeout_s):
                out, _ = await process.communicate(data)
        except TimeoutError:
            raise unreadable(f"reading it takes longer than {timeout_s:g} s (integrations.upload_timeout_s)", "reading_timeout") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return _answer(out)


_START: Final = "import sys; sys.path.insert(0, sys.argv[1]); from llm_gateway.documents.worker import main; sys.exit(main(sys.argv[2:]))"
"""`-I` keeps the process from paths and variables of the environment; our own sources it is told."""


def _environment() -> dict[str, str]:
    """What an interpreter needs to start, and none of our secrets."""
    return {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "VIRTUAL_ENV") if name in os.environ}


def _answer(out: bytes) -> Read:
    try:
        answer = _decode(out)
    except msgspec.MsgspecError:
        raise unreadable("reading it takes more time or memory than a file gets", "document_too_large") from None
    if answer.problem or answer.format is None:
        raise InvalidRequest(f"file: {answer.problem}", param="file", code=answer.code)
    return Read(answer.format, answer.text, answer.title, answer.pages, answer.warnings)


def _charset(media_type: str) -> str:
    for part in media_type.split(";")[1:]:
        name, _, value = part.strip().partition("=")
        if name.lower() == "charset":
            return value.strip("\"' ")[:40]
    return ""
