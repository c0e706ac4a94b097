"""PDF as text, by pypdf (extra `documents`)."""

import io

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.documents.kinds import Limits, Read, unreadable


def read(data: bytes, limits: Limits) -> Read:
    """Read the text of every page.

    Raises:
        InvalidRequest: it is broken, locked, too long, or holds no text; or pypdf is not installed.
    """
    try:
        import pypdf  # noqa: PLC0415 - an extra, loaded when it is used
        from pypdf.errors import PyPdfError  # noqa: PLC0415
    except ImportError:
        raise extra_missing("PDF") from None
    try:
        reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise unreadable("it is locked with a password", "locked_document")
        pages = len(reader.pages)
        if pages > limits.max_pages:
            raise unreadable(f"it has more than {limits.max_pages} pages (integrations.max_upload_pages)", "document_too_long")
        texts: list[str] = []
        warnings: list[str] = []
        chars = 0
        for number, page in enumerate(reader.pages, 1):
            text = _page(page.extract_text, number, warnings, PyPdfError)
            chars += len(text)
            if chars > limits.max_chars:
                raise unreadable(f"it has more than {limits.max_chars} characters (integrations.max_document_chars)", "document_too_long")
            texts.append(text.strip())
        title = str((reader.metadata.title if reader.metadata else "") or "")
    except InvalidRequest:
        raise
    except DependencyFailure:
        raise unreadable("it is encrypted in a way that is not read", "locked_document") from None
    except (PyPdfError, *_BROKEN):
        raise unreadable("it is not a PDF that can be read: it is broken", "broken_document") from None
    body = "\n\n".join(text for text in texts if text).replace("\x00", "")
    if not body:
        raise unreadable("it has no text; a scan has to be read by OCR first", "no_text")
    return Read("pdf", body, " ".join(title.split())[:500], pages, tuple(warnings[:20]))


_BROKEN = (
    ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError, RecursionError, OverflowError, ArithmeticError, OSError,
    StopIteration, NotImplementedError,
)  # fmt: skip
"""What pypdf lets through when a file breaks its format."""
DependencyFailure = ImportError
"""pypdf asks for a library of ciphers only when it meets one."""


def _page(extract: "object", number: int, warnings: list[str], failure: type[Exception]) -> str:
    try:
        return str(extract())  # type: ignore[operator]
    except (failure, *_BROKEN):
        warnings.append(f"page {number} could not be read")
        return ""


def extra_missing(what: str) -> InvalidRequest:
    """The error where the libraries are not installed."""
    return InvalidRequest(
        f"file: reading {what} needs the extra `documents` on the gateway: pip install 'llm-gateway[documents]'",
        param="file",
        code="extra_missing",
    )
