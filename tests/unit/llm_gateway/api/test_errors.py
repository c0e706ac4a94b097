"""Errors name the field, say what was expected, and say nothing else."""

import msgspec
import pytest

from llm_gateway.api.errors import error_body, error_headers, invalid_body
from llm_gateway.api.native_schema import QueryBody
from llm_gateway.core.errors import Overloaded, RateLimited

DECODER = msgspec.json.Decoder(QueryBody)


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b'{"prompt": 1}', "prompt", "prompt: expected text, got an integer"),
        (b'{"prompt": "x", "temperature": 3}', "temperature", "temperature: expected a number <= 2.0"),
        (b'{"prompt": "x", "max_tokens": 1.5}', "max_tokens", "max_tokens: expected an integer or null, got a number"),
        (b'{"prompt": "x", "stop": [1]}', "stop[0]", "stop[0]: expected text, got an integer"),
        (b'{"prompt": "x", "force_refresh": "no"}', "force_refresh", "force_refresh: expected true or false, got text"),
        (b"{}", "prompt", "the field 'prompt' is required"),
        (b"[]", "body", "body: expected an object, got a list"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(body: bytes, param: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as failure:
        DECODER.decode(body)
    error = invalid_body(failure.value, body)
    assert (error.param, error.message) == (param, message)


def test_an_unknown_field_is_refused_by_name_with_those_that_exist() -> None:
    body = b'{"prompt": "x", "tempreature": 1}'
    with pytest.raises(msgspec.ValidationError) as failure:
        DECODER.decode(body)
    error = invalid_body(failure.value, body, ("prompt", "temperature"))
    assert error.param == "tempreature"
    assert "temperature" in error.message


@pytest.mark.parametrize(
    ("body", "part"), [(b'{"a": }', "line 1, column 7"), (b'{"a": "\xff"}', "UTF-8: byte 7"), (b"", "line 1"), (b'{"a": NaN}', "JSON")]
)
def test_malformed_json_names_the_place(body: bytes, part: str) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as failure:
        msgspec.json.decode(body)
    assert part in invalid_body(failure.value, body).message


def test_the_shape_and_the_headers() -> None:
    document = msgspec.json.decode(error_body(RateLimited("too many", param="p", code="c"), "gw-1"))
    assert document == {"error": {"type": "rate_limited", "message": "too many", "param": "p", "code": "c"}, "correlation_id": "gw-1"}
    assert (b"retry-after", b"2") in error_headers(Overloaded("busy", retry_after_s=1.2))
    assert all(name != b"retry-after" for name, _ in error_headers(Overloaded("busy")))
