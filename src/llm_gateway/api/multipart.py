"""A form with a file in it, from a body that was read whole. Source: RFC 7578 (multipart/form-data), RFC 2046 for its boundaries."""

import re
from typing import Final, NamedTuple

from llm_gateway.core.errors import InvalidRequest

MOST_PARTS: Final = 20
_BOUNDARY = re.compile(r"boundary=(?:\"([^\"\r\n]{1,70})\"|([^\s;,\"]{1,70}))", re.IGNORECASE)
_PARAMETER = re.compile(r";\s*(name|filename)=(?:\"((?:[^\"\\]|\\.){0,1000})\"|([^\s;\"]{1,500}))", re.IGNORECASE)


class Part(NamedTuple):
    """A field of a form. `filename` None: it is no file."""

    name: str
    filename: str | None
    media_type: str
    data: bytes


def parts_of(body: bytes, content_type: str) -> list[Part]:
    """The fields of a form.

    Raises:
        InvalidRequest: it is not a form as the standard has it.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise _malformed("content-type has no boundary")
    mark = b"--" + (boundary[1] or boundary[2]).encode()
    pieces = re.split(b"\r\n" + re.escape(mark) + rb"(?=\r\n|--|[ \t])", b"\r\n" + body)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _malformed("its last boundary is missing")
    if len(pieces) - 2 > MOST_PARTS:
        raise _malformed(f"it has more than {MOST_PARTS} parts")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    padding, _, rest = piece.partition(b"\r\n")
    head, blank, data = rest.partition(b"\r\n\r\n")
    if padding.strip(b" \t") or not blank or len(head) > 8_192:
        raise _malformed("a part has no headers")
    headers = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    given = {
        match[1].lower(): re.sub(r"\\([\"\\])", r"\1", match[2]) if match[2] is not None else match[3]
        for match in _PARAMETER.finditer(disposition)
    }
    if not disposition.lower().startswith("form-data") or "name" not in given:
        raise _malformed("a part has no name")
    return Part(given["name"], given.get("filename"), headers.get("content-type", ""), data)


def _malformed(problem: str) -> InvalidRequest:
    return InvalidRequest(f"the body is not a form (multipart/form-data): {problem}", code="malformed_form")
