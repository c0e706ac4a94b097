import pytest

from llm_gateway.simulator.dialects.eventstream import event, exception


def test_a_frame_has_the_bytes_that_the_encoding_says() -> None:
    made = event("x", {})
    assert made[:8] == bytes([0, 0, 0, len(made), 0, 0, 0, len(made) - 18])
    assert made[12:28] == b"\x0b:event-type\x07\x00\x01x"
    assert made[-6:-4] == b"{}"


def test_botocore_reads_them() -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    buffer = eventstream.EventStreamBuffer()
    for byte in event("contentBlockDelta", {"a": "ä"}) + exception("throttlingException", "slow"):
        buffer.add_data(bytes([byte]))
    first, second = buffer
    assert (first.headers[":event-type"], first.payload) == ("contentBlockDelta", '{"a":"ä"}'.encode())
    assert (second.headers[":exception-type"], second.headers[":message-type"]) == ("throttlingException", "exception")
