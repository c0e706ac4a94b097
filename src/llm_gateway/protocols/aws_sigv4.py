"""AWS Signature Version 4 for a request whose body is at hand, as pure functions of its parts and the time.

Source: AWS Identity and Access Management User Guide, "Create a signed AWS API request". Only what a REST call with a
body and without a query needs is here: no presigned URLs, no chunked payloads, no query strings.
"""

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

Headers = tuple[tuple[str, str], ...]

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset(
    {
        "authorization", "connection", "content-length", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
        "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id",
    }
)  # fmt: skip
"""Headers that whoever carries the request may add or change on the way, so that signing them would break it."""


def encode_segment(value: str) -> str:
    """`value` as one segment of a URL path: everything but RFC 3986's unreserved characters is percent-encoded."""
    return quote(value, safe="-_.~")


class SigV4Signer:
    """Signs requests to one service in one region with one set of credentials.

    The signing key of a day is kept, so that a signature costs two hashes and one HMAC. Its `repr` shows no secret.
    """

    __slots__ = ("_access_key_id", "_day", "_key", "_scope_tail", "_secret", "_session_token", "region", "service")

    def __init__(self, access_key_id: str, secret_access_key: str, session_token: str = "", *, region: str, service: str) -> None:
        self.region = region
        self.service = service
        self._access_key_id = access_key_id
        self._secret = secret_access_key
        self._session_token = session_token
        self._scope_tail = f"/{region}/{service}/aws4_request"
        self._day = ""
        self._key = b""

    def __repr__(self) -> str:
        return f"SigV4Signer(region={self.region!r}, service={self.service!r})"

    def sign(self, method: str, host: str, path: str, headers: Iterable[tuple[str, str]], body: bytes, now_s: float) -> Headers:
        """The headers to add to a request so that AWS accepts it.

        Args:
            host: what the Host header will say: the port only where it is not the scheme's own.
            path: the path exactly as sent, percent-encoded once; the signature encodes it a second time.
            headers: those that are sent, without Host; all of them are signed but for the ones a carrier may change.
            now_s: Unix seconds; AWS refuses a signature that is more than five minutes away from its own clock.
        """
        stamp = datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%SZ")
        day = stamp[:8]
        added: Headers = (("x-amz-date", stamp),)
        if self._session_token:
            added += (("x-amz-security-token", self._session_token),)
        names, lines = _canonical_headers((("host", host), *headers, *added))
        canonical = f"{method}\n{quote(path, safe='/-_.~')}\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        scope = day + self._scope_tail
        to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(day), to_sign.encode(), "sha256").hex()
        credential = f"{self._access_key_id}/{scope}"
        return (*added, ("authorization", f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"))

    def _key_of(self, day: str) -> bytes:
        if day != self._day:
            key = f"AWS4{self._secret}".encode()
            for part in (day, self.region, self.service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._key = day, key
        return self._key


def _canonical_headers(headers: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The signed names, joined by semicolons, and the `name:value` lines, each with its line ending."""
    values: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in _UNSIGNED:
            trimmed = " ".join(value.split())
            values[lower] = f"{values[lower]},{trimmed}" if lower in values else trimmed
    names = sorted(values)
    return ";".join(names), "".join([f"{name}:{values[name]}\n" for name in names])
