"""The first lines of a request that a connection has sent before: they are known by their bytes, and not parsed again.

Programs that call a gateway send the same headers with every call, but for the length of the body.
"""

from typing import Any, Final

from llm_gateway.api.asgi import FIELDS

MAX_LENGTH_DIGITS: Final = 9
_LENGTH: Final = b"\r\ncontent-length:"


class KnownHead:
    """A head as the parser took it, and the scope that it made. It serves requests whose bytes differ in the body and its length alone.

    `begins` is the head up to the number of bytes in the body.
    """

    __slots__ = ("_digits", "_ends", "_fields", "_headers", "_place", "_scope", "begins")

    def __init__(self, begins: bytes, ends: bytes, digits: bytes, scope: dict[str, Any]) -> None:
        self.begins = begins
        self._ends = ends
        self._digits = digits
        self._headers: list[tuple[bytes, bytes]] = scope.pop("headers")
        self._scope = scope
        self._place = [name for name, _ in self._headers].index(b"content-length")
        self._fields = dict(reversed(self._headers))

    def scope(self, data: bytes) -> tuple[dict[str, Any], bytes] | None:
        """The scope of the request that `data`, which starts with `begins`, is, and its body. None: it is something else, less, or more."""
        start = len(self.begins)
        stop = data.find(b"\r", start, start + MAX_LENGTH_DIGITS + 1)
        digits, ends = data[start:stop], self._ends
        if not digits.isdigit() or not data.startswith(ends, stop):
            return None
        body = data[stop + len(ends) :]
        if len(body) != int(digits):
            return None
        scope, headers, fields = self._scope.copy(), self._headers.copy(), self._fields
        if digits != self._digits:
            headers[self._place] = (b"content-length", digits)
            fields = {**fields, b"content-length": digits}
        scope["headers"] = headers
        scope[FIELDS] = (headers, fields)
        return scope, body


def known_head(data: bytes, scope: dict[str, Any]) -> KnownHead | None:
    """What is known after the parser has made `scope` of a request, which came as `data`, from its first line on. None: there is more, or
    less, in `data` than a request with a body of a length that is said."""
    end = data.find(b"\r\n\r\n") + 4
    lower = data[:end].lower()
    start = lower.find(_LENGTH)
    if start < 0 or lower.find(_LENGTH, start + 1) >= 0:
        return None
    start += len(_LENGTH)
    while data[start] in b" \t":
        start += 1
    stop = data.find(b"\r", start)
    digits = data[start:stop]
    if not digits.isdigit() or len(digits) > MAX_LENGTH_DIGITS or len(data) - end != int(digits):
        return None
    return KnownHead(data[:start], data[stop:end], digits, scope)
