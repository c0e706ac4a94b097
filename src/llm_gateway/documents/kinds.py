"""Which format a file has, by what it holds; its name and declared type only decide between texts. Pure."""

import re
from typing import Final, Literal, NamedTuple

from llm_gateway.core.errors import InvalidRequest

Format = Literal["text", "markdown", "html", "pdf", "docx"]
FORMATS: Final = "text, Markdown, HTML, PDF, DOCX"


class Limits(NamedTuple):
    """The bounds of one file."""

    max_chars: int
    max_pages: int
    max_unpacked_bytes: int


class Read(NamedTuple):
    """A file's text as Markdown. `pages` None: the format has none."""

    format: Format
    text: str
    title: str
    pages: int | None
    warnings: tuple[str, ...]


_MEDIA: Final[dict[str, Format]] = {
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/plain": "text",
}
_SUFFIXES: Final[dict[str, Format]] = {
    "pdf": "pdf", "docx": "docx", "html": "html", "htm": "html", "xhtml": "html", "md": "markdown",
    "markdown": "markdown", "txt": "text", "text": "text", "rst": "text", "log": "text",
}  # fmt: skip
_OTHERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file: save it as DOCX or PDF"),
    (b"{\\rtf", "RTF: save it as DOCX or PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
)
_HTML: Final = re.compile(rb"\A\s*(?:<!--.{0,2000}?-->\s*)?(?:<!doctype\s+html|<html[\s>])", re.IGNORECASE | re.DOTALL)


def unreadable(problem: str, code: str = "unreadable_document") -> InvalidRequest:
    """The error for a file that cannot be read: what is wrong with it, and nothing of what it says."""
    return InvalidRequest(f"file: {problem}", param="file", code=code)


def format_of(data: bytes, filename: str, media_type: str) -> Format:
    """The format of a file.

    Raises:
        InvalidRequest: it is empty, of a format that is not read, or not of the one that its name or type promises.
    """
    if not data.strip():
        raise unreadable("it is empty", "empty_document")
    suffix = filename.rpartition(".")[2].lower() if "." in filename else ""
    promised = _MEDIA.get(media_type.partition(";")[0].strip().lower()) or _SUFFIXES.get(suffix)
    found = _signature(data)
    if found is not None:
        if promised in {"pdf", "docx"} and promised != found:
            raise unreadable(f"it is said to be {promised} and is {found}", "wrong_type")
        return found
    if promised in {"pdf", "docx"}:
        raise unreadable(f"it is said to be {promised} and is not", "wrong_type")
    if _HTML.match(data[:4_096]):
        return "html"
    return promised or "text"


def _signature(data: bytes) -> Format | None:
    if b"%PDF-" in data[:1_024]:  # ISO 32000: readers accept it anywhere in the first 1024 bytes
        return "pdf"
    if data.startswith(b"PK\x03\x04"):
        if b"word/document.xml" in data:
            return "docx"
        raise unreadable(f"it is a ZIP archive and no DOCX; {FORMATS} are read", "unsupported_type")
    for magic, what in _OTHERS:
        if data.startswith(magic):
            raise unreadable(f"it is {what}; {FORMATS} are read", "unsupported_type")
    return None


def decoded_text(data: bytes, charset: str = "") -> str:
    """The characters of a text file: by its byte order mark, else as declared, else UTF-8.

    Raises:
        InvalidRequest: it is binary, or not in that encoding.
    """
    marks = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    encoding = next((name for mark, name in marks if data.startswith(mark)), charset or "utf-8")
    try:
        text = data.decode(encoding)
    except LookupError:
        raise unreadable("its charset is not known", "unknown_charset") from None
    except (UnicodeDecodeError, ValueError):
        raise unreadable(f"it is not text in {encoding}: {FORMATS} are read", "not_text") from None
    if "\x00" in text:
        raise unreadable(f"it is binary; {FORMATS} are read", "not_text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
