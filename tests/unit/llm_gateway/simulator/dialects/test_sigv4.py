"""botocore signs, the simulator checks: neither has seen the other's code."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.llm_gateway.simulator.wire import Got, Wire

from llm_gateway.simulator import SimulatorConfig, simulator_process

_ASK = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'


@pytest.fixture(scope="module")
def signed_wire() -> Iterator[Wire]:
    with simulator_process(SimulatorConfig(kinds=("bedrock_native",), aws_secrets={"AKID": "right"})) as simulator:
        yield Wire(simulator)


def _send(
    wire: Wire, path: str, *, secret: str = "right", key: str = "AKID", change: dict[str, str] | None = None, body: bytes = _ASK
) -> Got:
    auth: Any = pytest.importorskip("botocore.auth")
    request_of: Any = pytest.importorskip("botocore.awsrequest").AWSRequest
    credentials: Any = pytest.importorskip("botocore.credentials").Credentials
    host, port = wire.address("bedrock_native")
    request = request_of(method="POST", url=f"http://{host}:{port}{path}", data=_ASK, headers={"content-type": "application/json"})
    auth.SigV4Auth(credentials(key, secret), "bedrock", "us-east-1").add_auth(request)
    return wire.post("bedrock_native", path, body, {**dict(request.headers.items()), **(change or {})})


@pytest.mark.parametrize(
    "model",
    [
        "m",
        "anthropic.claude-v1%3A0",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0",
    ],
)
def test_a_right_signature_is_accepted_also_for_encoded_paths(signed_wire: Wire, model: str) -> None:
    assert _send(signed_wire, f"/model/{model}/converse").status == 200


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"secret": "wrong"}, "InvalidSignatureException"),
        ({"key": "OTHER"}, "UnrecognizedClientException"),
        ({"body": _ASK.replace(b"hi", b"ho")}, "InvalidSignatureException"),
        ({"change": {"X-Amz-Date": "20200101T000000Z"}}, "InvalidSignatureException"),
        ({"change": {"X-Amz-Date": "yesterday"}}, "IncompleteSignatureException"),
        ({"change": {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}}, "IncompleteSignatureException"),
    ],
)
def test_a_wrong_signature_is_refused(signed_wire: Wire, more: dict[str, Any], error: str) -> None:
    got = _send(signed_wire, "/model/m/converse", **more)
    assert (got.status, got.headers["x-amzn-errortype"]) == (403, error)
