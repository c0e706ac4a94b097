"""The process that reads one file: its bytes on standard input, its text as JSON on standard output.

Run as `python -m llm_gateway.documents.worker FORMAT MAX_CHARS MAX_PAGES MAX_UNPACKED_BYTES CPU_SECONDS [CHARSET]`. The kernel
holds it to a CPU time and a memory of its own; it has no environment, opens no files but libraries', and its parent kills it in time.
"""

import logging
import sys
from typing import Final, cast

import msgspec

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.documents.kinds import Format, Limits
from llm_gateway.documents.reading import read

MEMORY_BYTES: Final = 1 << 30


def _confine(cpu_s: int) -> None:
    try:
        import resource  # noqa: PLC0415 - there is none on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Read one file. The exit code is 0 for an answer of either kind."""
    form, chars, pages, unpacked, cpu_s = arguments[:5]
    charset = arguments[5] if len(arguments) > 5 else ""
    logging.disable(logging.CRITICAL)  # pypdf logs what is wrong with a file, with pieces of it
    _confine(int(cpu_s))
    limits = Limits(int(chars), int(pages), int(unpacked))
    try:
        answer: object = read(sys.stdin.buffer.read(), cast(Format, form), limits, charset)._asdict()
    except InvalidRequest as failure:
        answer = {"problem": failure.message.removeprefix("file: "), "code": failure.code}
    except MemoryError:
        answer = {"problem": "reading it takes more memory than a file gets", "code": "document_too_large"}
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
