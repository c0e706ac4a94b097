"""`POST /documents`: a file is read, and its text kept in doc_store."""

from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import Field

from llm_gateway.api.asgi import header, read_body
from llm_gateway.api.credentials import credentials_of
from llm_gateway.api.documents import Document
from llm_gateway.api.multipart import parts_of
from llm_gateway.core.errors import Forbidden, InvalidRequest, RequestTooLarge
from llm_gateway.core.exchange import Credentials
from llm_gateway.core.settings import IntegrationSettings
from llm_gateway.core.types import Json, JsonObject
from llm_gateway.documents.kinds import Limits
from llm_gateway.documents.reader import FileReader

_FORM_ROOM_BYTES = 256 << 10
"""What a form adds to its file."""
_decode = msgspec.json.Decoder(dict[str, Json]).decode


class Keeping(Protocol):
    """The gateway, as this endpoint needs it."""

    def integration_settings(self) -> IntegrationSettings: ...
    async def integrate(
        self, service: str, operation: str, body: JsonObject, credentials: Credentials, correlation_id: str
    ) -> JsonObject: ...  # fmt: skip


class UploadedDocument(Document):
    """A file that was read and kept."""

    doc_id: str
    title: str
    format: str = Field(description="text, markdown, html, pdf or docx: what it was found to be.")
    pages: int | None = Field(description="null: the format has none.")
    characters: int
    chunks: int = Field(description="Pieces that it is found by.")
    sensitive: bool = Field(description="Requests that retrieve it go to secure providers only.")
    replaced: bool = Field(description="A document of that doc_id was there before.")
    warnings: list[str] = Field(description="What could not be read.")
    mode: str
    correlation_id: str


class _Upload(NamedTuple):
    data: bytes
    filename: str
    media_type: str
    fields: dict[str, str]


_FIELDS = ("title", "doc_id", "metadata", "user_id")
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}, **{name: {"type": "string"} for name in _FIELDS}},
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
Short = Annotated[str | None, Query(max_length=512)]


def uploads_router(keeping: Keeping) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["integrations"])
    reader = FileReader()

    @routes.post(
        "/documents", status_code=201, summary="Read a file (text, Markdown, HTML, PDF, DOCX) and keep it in doc_store", openapi_extra=_BODY
    )
    async def upload(
        request: Request,
        filename: Short = None,
        title: Short = None,
        doc_id: Annotated[str | None, Query(max_length=128)] = None,
        metadata: Annotated[str | None, Query(max_length=65_536, description="A JSON object.")] = None,
        user_id: Annotated[str | None, Query(max_length=256)] = None,
    ) -> UploadedDocument:
        _refuse_foreign_pages(request)
        settings = keeping.integration_settings()
        given = {"title": title, "doc_id": doc_id, "metadata": metadata, "user_id": user_id}
        fields = {name: value for name, value in given.items() if value is not None}
        sent = await _upload(request, filename or "", fields, settings.max_upload_bytes)
        about = _metadata(sent.fields.get("metadata"))
        limits = Limits(settings.max_document_chars, settings.max_upload_pages, settings.max_unpacked_bytes)
        read = await reader.read(sent.data, sent.filename, sent.media_type, limits, settings.upload_timeout_s)
        facts: JsonObject = {"format": read.format, "bytes": len(sent.data)}
        if sent.filename:
            facts["filename"] = sent.filename
        if read.pages is not None:
            facts["pages"] = read.pages
        body: JsonObject = {"content": read.text, "metadata": {**facts, **about}}
        # The store calls a text by its first line; the first line of a PDF is as often a page's header.
        if named := sent.fields.get("title") or read.title or (sent.filename if read.format == "pdf" else ""):
            body["title"] = named[:512]
        if "doc_id" in sent.fields:
            body["doc_id"] = sent.fields["doc_id"]
        correlation_id = str(request.scope.get("state", {}).get("correlation_id", ""))
        credentials = credentials_of(request.scope, sent.fields.get("user_id"))
        reply = await keeping.integrate("doc_store", "store", body, credentials, correlation_id)
        return _document(reply, read.format, read.pages, read.text, list(read.warnings))

    return routes


def _document(reply: JsonObject, form: str, pages: int | None, text: str, warnings: list[str]) -> UploadedDocument:
    """What a store says, completed where it is a remote one that says less."""
    result = reply.get("result")
    kept = result if isinstance(result, dict) else {}
    return UploadedDocument(
        doc_id=str(kept.get("doc_id") or kept.get("id") or ""),
        title=str(kept.get("title") or ""),
        format=form,
        pages=pages,
        characters=len(text),
        chunks=_count(kept.get("chunks")),
        sensitive=bool(kept.get("sensitive")),
        replaced=bool(kept.get("replaced")),
        warnings=warnings,
        mode=str(reply.get("mode") or ""),
        correlation_id=str(reply.get("correlation_id") or ""),
    )


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _refuse_foreign_pages(request: Request) -> None:
    """A page of another site may send forms here without asking; none of them shall leave documents."""
    site = header(request.scope, b"sec-fetch-site")
    if site in {"cross-site", "same-site"}:
        raise Forbidden("documents are not taken from pages of other sites", code="foreign_page")


async def _upload(request: Request, filename: str, fields: dict[str, str], max_bytes: int) -> _Upload:
    content_type = request.headers.get("content-type", "")
    is_form = content_type.lower().startswith("multipart/form-data")
    try:
        body = await read_body(request.scope, request.receive, max_bytes + (_FORM_ROOM_BYTES if is_form else 0))
    except RequestTooLarge:
        raise _too_large(max_bytes) from None
    if not is_form:
        return _Upload(body, _base_name(filename), content_type, fields)
    file: _Upload | None = None
    for part in parts_of(body, content_type):
        if part.name == "file" and part.filename is not None:
            if file is not None:
                raise InvalidRequest("file: expected one file", param="file")
            file = _Upload(part.data, _base_name(filename or part.filename), part.media_type, fields)
        elif part.name in _FIELDS and part.filename is None:
            fields[part.name] = part.data.decode("utf-8", "replace")
        else:
            raise InvalidRequest(f"{part.name[:64]}: expected a file called file, and {', '.join(_FIELDS)}", param=part.name[:64])
    if file is None:
        raise InvalidRequest("file: expected a file in the form", param="file")
    if len(file.data) > max_bytes:
        raise _too_large(max_bytes)
    return file


def _too_large(max_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(f"file: it is larger than {max_bytes} bytes (integrations.max_upload_bytes)", param="file")


def _base_name(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2].replace("\x00", "")[:256]


def _metadata(text: str | None) -> JsonObject:
    if not text:
        return {}
    try:
        return _decode(text)
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidRequest("metadata: expected a JSON object", param="metadata") from None
