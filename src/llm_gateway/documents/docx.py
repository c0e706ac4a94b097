"""DOCX as Markdown, by python-docx (extra `documents`). Source: ECMA-376, Office Open XML."""

import io
import re
import zipfile
from typing import Any, Final

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.documents.kinds import Limits, Read, unreadable
from llm_gateway.documents.pdf import extra_missing

_MOST_PARTS: Final = 5_000
_DOCTYPES: Final = tuple("<!DOCTYPE".encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")) + tuple(
    "<!ENTITY".encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")
)
_LEVEL = re.compile(r"heading (\d)$", re.IGNORECASE)
_BROKEN = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OSError, SyntaxError, NotImplementedError, EOFError)
"""What python-docx and lxml (its XMLSyntaxError is a SyntaxError) let through when a file breaks its format."""


def read(data: bytes, limits: Limits) -> Read:
    """Read paragraphs, lists and tables in their order.

    Raises:
        InvalidRequest: it is broken, unpacks to too much, has XML entities, or says nothing; or python-docx is not installed.
    """
    try:
        import docx  # noqa: PLC0415 - an extra, loaded when it is used
        from docx.opc.exceptions import OpcError  # noqa: PLC0415
        from docx.table import Table  # noqa: PLC0415
    except ImportError:
        raise extra_missing("DOCX") from None
    _check(data, limits)
    pieces: list[str] = []
    chars = 0
    try:
        document = docx.Document(io.BytesIO(data))
        for block in document.iter_inner_content():
            piece = _table(block) if isinstance(block, Table) else _paragraph(block)
            chars += len(piece) + 2
            if chars > limits.max_chars:
                raise unreadable(f"it has more than {limits.max_chars} characters (integrations.max_document_chars)", "document_too_long")
            if piece:
                pieces.append(piece)
        title = document.core_properties.title or ""
    except InvalidRequest:
        raise
    except (OpcError, zipfile.BadZipFile, *_BROKEN):
        raise unreadable("it is not a DOCX that can be read: it is broken", "broken_document") from None
    body = "\n\n".join(pieces).replace("\n\n- ", "\n- ").strip()
    if not body:
        raise unreadable("it has no text", "no_text")
    return Read("docx", body, " ".join(str(title).split())[:500], None, ())


def _check(data: bytes, limits: Limits) -> None:
    """Refuse archives that unpack to too much, before and while they are unpacked, and XML with entities."""
    left = limits.max_unpacked_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > left:
                raise unreadable(f"it unpacks to more than {left} bytes or {_MOST_PARTS} parts", "document_too_large")
            for part in parts:
                if part.flag_bits & 0x1:
                    raise unreadable("it is locked with a password", "locked_document")
                if part.filename.lower().endswith((".xml", ".rels", ".vml")):
                    text = archive.read(part)
                    if any(mark in text[:4_096] for mark in _DOCTYPES):
                        raise unreadable("its XML has a document type or entities, which are not read", "unsafe_xml")
    except InvalidRequest:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, *_BROKEN):
        raise unreadable("it is not a DOCX that can be read: it is broken", "broken_document") from None
    except Exception as failure:
        if type(failure).__module__ == "zlib":
            raise unreadable("it is not a DOCX that can be read: it is broken", "broken_document") from None
        raise


def _paragraph(paragraph: Any) -> str:
    text: str = paragraph.text.strip()
    if not text:
        return ""
    style = str(getattr(paragraph.style, "name", "") or "")
    level = _LEVEL.match(style)
    if level:
        return "#" * min(6, int(level[1]) or 1) + " " + text
    if style.lower() == "title":
        return "# " + text
    is_item = style.lower().startswith("list") or (paragraph._p.pPr is not None and paragraph._p.pPr.numPr is not None)
    return f"- {text}" if is_item else text


def _table(table: Any) -> str:
    rows = []
    for row in table.rows:
        cells, before = [], None
        for cell in row.cells:
            if cell._tc is not before:  # merged cells are given once for each column
                cells.append(" ".join(cell.text.split()))
            before = cell._tc
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)
