"""Checks AWS Signature Version 4 on an incoming request, as Bedrock does.

Source: AWS "Signature Version 4 signing process". The canonical URI is the path as sent, each segment percent-encoded
once more: a model id sent as `a%3A0` is signed as `a%253A0`.
"""

import hmac
import re
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from llm_gateway.simulator.exchange import Refused, Request

_FORM = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/\s,]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z-]+)/aws4_request,\s*"
    r"SignedHeaders=(?P<signed>[a-z0-9;_-]+),\s*Signature=(?P<signature>[0-9a-f]{64})\Z"
)
_MOST_SKEW_S = 300


def check_signature(request: Request, secrets: dict[str, str], now_s: float) -> None:
    """Raises `Refused` 403 when the header has the wrong form, or, with `secrets` by access key id, the wrong signature."""
    found = _FORM.match(request.header("authorization"))
    stamp = request.header("x-amz-date")
    if found is None or not stamp:
        raise Refused(
            403,
            "Authorization header requires 'Credential', 'SignedHeaders', 'Signature' and X-Amz-Date.",
            code="IncompleteSignatureException",
        )
    signed = found["signed"].split(";")
    if "host" not in signed or found["service"] != "bedrock":
        raise Refused(403, "Credential should be scoped to service 'bedrock' and 'host' must be signed.", code="InvalidSignatureException")
    if not secrets:
        return
    secret = secrets.get(found["key"])
    if secret is None:
        raise Refused(403, "The security token included in the request is invalid.", code="UnrecognizedClientException")
    if abs(_seconds(stamp) - now_s) > _MOST_SKEW_S:
        raise Refused(403, "Signature expired or not yet current.", code="InvalidSignatureException")
    expected = _signature(request, secret, found["date"], found["region"], signed, stamp)
    if not hmac.compare_digest(expected, found["signature"]):
        raise Refused(
            403, "The request signature we calculated does not match the signature you provided.", code="InvalidSignatureException"
        )


def _seconds(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refused(403, "X-Amz-Date must have the form YYYYMMDDTHHMMSSZ.", code="IncompleteSignatureException") from None


def _signature(request: Request, secret: str, date: str, region: str, signed: list[str], stamp: str) -> str:
    query = request.target.partition("?")[2]
    canonical_query = "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part))
    headers = "".join(f"{name}:{','.join(' '.join(value.split()) for key, value in request.headers if key == name)}\n" for name in signed)
    digest = request.header("x-amz-content-sha256") or sha256(request.body).hexdigest()
    canonical = "\n".join((request.method, quote(request.path, safe="/~"), canonical_query, headers, ";".join(signed), digest))
    scope = f"{date}/{region}/bedrock/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for step in (date, region, "bedrock", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
