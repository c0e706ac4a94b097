import json

import pytest
from tests.unit.llm_gateway.simulator.wire import Wire


def test_an_answer_has_three_fields_and_no_usage(wire: Wire) -> None:
    got = wire.post(
        "bedrock", "/invoke", {"model": "m", "prompt": "tell me", "region": "eu-west-1", "params": {"temperature": 0.5, "max_tokens": 9}}
    )
    assert (got.status, {*got.json}) == (200, {"output", "model", "region"})
    assert (got.json["model"], got.json["region"], len(got.json["output"].encode())) == ("m", "eu-west-1", 36)
    totals = wire.simulator.counts()["bedrock"].models["m"]
    assert (totals.input_tokens, totals.output_tokens) == (2, 9)


def test_a_json_format(wire: Wire) -> None:
    assert json.loads(wire.post("bedrock", "/invoke", {"model": "m", "prompt": "x", "format": "json"}).json["output"])["simulated"] is True


def test_health(wire: Wire) -> None:
    assert wire.get("bedrock", "/health").json["status"] == "healthy"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "m"}, "prompt"),
        ({"model": "m", "prompt": "x", "messages": []}, "messages"),
        ({"prompt": "x", "params": {"max_tokens": 0}}, "max_tokens"),
    ],
)
def test_a_wrong_request_is_refused_by_its_field(wire: Wire, body: object, field: str) -> None:
    got = wire.post("bedrock", "/invoke", body)
    assert (got.status, got.json["detail"][0]["loc"]) == (422, ["body", field])


def test_other_paths_and_methods(wire: Wire) -> None:
    assert (wire.post("bedrock", "/", {}).status, wire.get("bedrock", "/invoke").status) == (404, 405)
