"""SigV4 against AWS's published test suite and against botocore."""

from calendar import timegm

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.protocols.aws_sigv4 import SigV4Signer, encode_segment

# The credentials, time and scope of the "AWS Signature Version 4 Test Suite".
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW_S = float(timegm((2015, 8, 30, 12, 36, 0)))
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQ"
    "rmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+s"
    "cqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
UNRESERVED = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# name: method, path, headers, body, session token, signed headers, signature
SUITE = {
    "post-vanilla": ("POST", "/", (), b"", "", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-header-key-sort": (
        "POST", "/", (("My-Header1", "value1"),), b"", "", "host;my-header1;x-amz-date",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
    ),
    "post-x-www-form-urlencoded": (
        "POST", "/", (("Content-Type", "application/x-www-form-urlencoded"),), b"Param1=value1", "", "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-sts-header-before": (
        "POST", "/", (), b"", TOKEN, "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
    "get-header-value-trim": (
        "GET", "/", (("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')), b"", "", "host;my-header1;my-header2;x-amz-date",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-header-key-duplicate": (
        "GET", "/", (("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")), b"", "", "host;my-header1;x-amz-date",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "get-unreserved": (
        "GET", UNRESERVED, (), b"", "", "host;x-amz-date", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-space": (
        "GET", "/example space/", (), b"", "", "host;x-amz-date", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    "get-utf8": ("GET", "/ሴ", (), b"", "", "host;x-amz-date", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUITE)
def test_aws_test_suite(name: str) -> None:
    method, path, headers, body, token, names, signature = SUITE[name]
    signer = SigV4Signer(KEY_ID, SECRET, token, region="us-east-1", service="service")
    added = dict(signer.sign(method, "example.amazonaws.com", path, headers, body, NOW_S))
    assert added["x-amz-date"] == "20150830T123600Z"
    assert added.get("x-amz-security-token", "") == token
    assert added["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}, Signature={signature}"
    )


def botocore_signature(url: str, headers: dict[str, str], body: bytes, stamp: str, token: str) -> str:
    signer = SigV4Auth(Credentials(KEY_ID, SECRET, token or None), "bedrock", "eu-central-1")
    request = AWSRequest(method="POST", url=url, data=body, headers={**headers, "X-Amz-Date": stamp})
    if token:
        request.headers["X-Amz-Security-Token"] = token
    request.context["timestamp"] = stamp
    canonical = signer.canonical_request(request)
    names = signer.signed_headers(signer.headers_to_sign(request))
    return f"SignedHeaders={names}, Signature={signer.signature(signer.string_to_sign(request, canonical), request)}"


def agree(
    model: str, headers: dict[str, str], body: bytes, now_s: float, token: str, host: str = "bedrock-runtime.eu-central-1.amazonaws.com"
) -> None:
    path = f"/model/{encode_segment(model)}/converse"
    signer = SigV4Signer(KEY_ID, SECRET, token, region="eu-central-1", service="bedrock")
    added = dict(signer.sign("POST", host, path, tuple(headers.items()), body, now_s))
    assert added["authorization"].endswith(botocore_signature(f"https://{host}{path}", headers, body, added["x-amz-date"], token))


MODELS = (
    "anthropic.claude-3-sonnet-20240229-v1:0",
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "a b/%3A~ü+",
)


@pytest.mark.parametrize("model", MODELS)
def test_botocore_agrees_on_model_ids(model: str) -> None:
    agree(model, {"content-type": "application/json", "accept": "application/json"}, b'{"messages":[]}', NOW_S, "")


def test_the_model_is_encoded_once_in_the_path_and_twice_in_the_signature() -> None:
    assert encode_segment("anthropic.claude-v2:1") == "anthropic.claude-v2%3A1"
    assert encode_segment("arn:aws:bedrock:us-east-1::foundation-model/x") == "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fx"
    signer = SigV4Signer(KEY_ID, SECRET, region="eu-central-1", service="bedrock")
    once = dict(signer.sign("POST", "h.example", "/model/a%3A0/converse", (), b"", NOW_S))
    raw = dict(signer.sign("POST", "h.example", "/model/a:0/converse", (), b"", NOW_S))
    assert once["authorization"] != raw["authorization"]


def test_the_host_is_signed_as_sent() -> None:
    agree("m:0", {}, b"", NOW_S, "", host="127.0.0.1:4566")


header_names = st.sampled_from(["content-type", "accept", "X-Amzn-Bedrock-Trace", "x-other", "User-Agent", "traceparent"])
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(
    model=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=40).filter(
        lambda text: text not in (".", "..")
    ),
    headers=st.dictionaries(header_names, header_values, max_size=5),
    body=st.binary(max_size=200),
    now_s=st.floats(0, 4e9),
    token=st.sampled_from(["", TOKEN]),
)
def test_botocore_agrees(model: str, headers: dict[str, str], body: bytes, now_s: float, token: str) -> None:
    agree(model, headers, body, now_s, token)


def test_a_new_day_has_a_new_key() -> None:
    signer = SigV4Signer(KEY_ID, SECRET, region="eu-central-1", service="bedrock")
    fresh = SigV4Signer(KEY_ID, SECRET, region="eu-central-1", service="bedrock")
    today = signer.sign("POST", "h.example", "/", (), b"", NOW_S)
    tomorrow = signer.sign("POST", "h.example", "/", (), b"", NOW_S + 86_400)
    assert signer.sign("POST", "h.example", "/", (), b"", NOW_S) == today
    assert fresh.sign("POST", "h.example", "/", (), b"", NOW_S + 86_400) == tomorrow


def test_its_repr_shows_no_secret() -> None:
    shown = repr(SigV4Signer(KEY_ID, SECRET, TOKEN, region="eu-central-1", service="bedrock"))
    assert SECRET not in shown
    assert TOKEN not in shown
    assert KEY_ID not in shown
