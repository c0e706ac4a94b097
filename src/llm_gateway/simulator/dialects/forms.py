"""Forms with files in them, as browsers and SDKs send them. Source: RFC 7578."""

from email.parser import BytesParser
from email.policy import HTTP

from llm_gateway.simulator.exchange import Refused, Request

Form = dict[str, tuple[str, bytes]]
"""Fields by name: file name ("" for a plain field) and content."""


def form_of(request: Request) -> Form:
    """The fields of a multipart body. Raises `Refused` 400 when it is none."""
    kind = request.header("content-type")
    if not kind.lower().startswith("multipart/form-data"):
        raise Refused(400, "Could not parse multipart form: the content type is not multipart/form-data.")
    message = BytesParser(policy=HTTP).parsebytes(b"content-type: " + kind.encode("latin-1") + b"\r\n\r\n" + request.body)
    fields: Form = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = (part.get_filename() or "", content)
    if not fields:
        raise Refused(400, "Could not parse multipart form: it has no fields.")
    return fields


def field(fields: Form, name: str) -> str:
    """A plain field. Raises `Refused` 400 when it is missing."""
    if name not in fields:
        raise Refused(400, f"Missing required parameter: '{name}'.", param=name)
    return fields[name][1].decode("utf-8", "replace")


def file(fields: Form, name: str) -> tuple[str, bytes]:
    """A file. Raises `Refused` 400 when it is missing."""
    if name not in fields:
        raise Refused(400, f"Missing required parameter: '{name}'.", param=name)
    return fields[name]
