"""A file's bytes as text, whatever its format. Pure: it runs in a process of its own for the formats that strangers can break."""

from llm_gateway.documents import docx, html, pdf
from llm_gateway.documents.kinds import Format, Limits, Read, decoded_text, unreadable


def read(data: bytes, form: Format, limits: Limits, charset: str = "") -> Read:
    """Read a file of a format.

    Raises:
        InvalidRequest: it cannot be read; says why.
    """
    if form == "pdf":
        return pdf.read(data, limits)
    if form == "docx":
        return docx.read(data, limits)
    if form == "html":
        return html.read(data, limits, charset)
    text = decoded_text(data, charset)
    if len(text) > limits.max_chars:
        raise unreadable(f"it has more than {limits.max_chars} characters (integrations.max_document_chars)", "document_too_long")
    if not text.strip():
        raise unreadable("it is empty", "empty_document")
    return Read(form, text, "", None, ())
