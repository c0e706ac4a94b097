"""Files, batches, jobs, pictures and sound, as OpenAI and Anthropic have them."""

import base64
import json

import pytest
from tests.unit.llm_gateway.simulator.wire import ANTHROPIC, Got, Wire

BETA = {**ANTHROPIC, "anthropic-beta": "files-api-2025-04-14"}


def form(**fields: str) -> tuple[bytes, dict[str, str]]:
    """A multipart body; `file` gets a name."""
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"'
        + ('; filename="a.jsonl"\r\ncontent-type: text/plain' if name == "file" else "")
        + f"\r\n\r\n{value}\r\n"
        for name, value in fields.items()
    ]
    return ("".join(parts) + "--b--\r\n").encode(), {"content-type": "multipart/form-data; boundary=b"}


def upload(wire: Wire, content: str = '{"custom_id":"x"}', purpose: str = "batch") -> Got:
    body, headers = form(purpose=purpose, file=content)
    return wire.send("POST", "openai", "/v1/files", body, headers)


def test_a_file_comes_back_as_it_went(wire: Wire) -> None:
    made = upload(wire, "größe\r\n").json
    assert (made["object"], made["filename"], made["bytes"], made["purpose"]) == ("file", "a.jsonl", len("größe\r\n".encode()), "batch")
    got = wire.get("openai", f"/v1/files/{made['id']}/content")
    assert (got.body, got.headers["content-type"]) == ("größe\r\n".encode(), "application/octet-stream")
    assert wire.get("openai", f"/v1/files/{made['id']}").json == made
    assert made in wire.get("openai", "/v1/files").json["data"]
    assert wire.send("DELETE", "openai", f"/v1/files/{made['id']}").json == {"id": made["id"], "object": "file", "deleted": True}
    gone = wire.get("openai", f"/v1/files/{made['id']}")
    assert (gone.status, gone.json["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize(
    ("fields", "param"), [({"purpose": "batch"}, "file"), ({"file": "x"}, "purpose"), ({"purpose": "fun", "file": "x"}, "purpose")]
)
def test_what_a_form_lacks_is_named(wire: Wire, fields: dict[str, str], param: str) -> None:
    body, headers = form(**fields)
    refused = wire.send("POST", "openai", "/v1/files", body, headers)
    assert (refused.status, refused.json["error"]["param"]) == (400, param)


def test_a_body_that_is_no_form(wire: Wire) -> None:
    assert wire.post("openai", "/v1/files", {}).status == 400
    assert wire.send("POST", "openai", "/v1/files", b"--x--", {"content-type": "multipart/form-data; boundary=b"}).status == 400


def test_a_batch_answers_every_line_and_is_over(wire: Wire) -> None:
    source = upload(wire, '{"custom_id":"a"}\n{"custom_id":"b"}\n').json["id"]
    asked = {"endpoint": "/v1/chat/completions", "input_file_id": source, "completion_window": "24h"}
    batch = wire.post("openai", "/v1/batches", asked).json
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 2, "completed": 2, "failed": 0})
    lines = wire.get("openai", f"/v1/files/{batch['output_file_id']}/content").lines
    assert [line["custom_id"] for line in lines] == ["a", "b"]
    assert wire.post("openai", f"/v1/batches/{batch['id']}/cancel", None).status == 409
    assert wire.post("openai", "/v1/batches", {**asked, "input_file_id": "file-none"}).status == 404
    assert wire.post("openai", "/v1/batches", {**asked, "completion_window": "1h"}).json["error"]["param"] == "completion_window"


def test_nothing_is_trained(wire: Wire) -> None:
    source = upload(wire, purpose="fine-tune").json["id"]
    job = wire.post("openai", "/v1/fine_tuning/jobs", {"model": "gpt-4o-mini", "training_file": source}).json
    assert (job["status"], job["fine_tuned_model"]) == ("queued", None)
    assert wire.post("openai", f"/v1/fine_tuning/jobs/{job['id']}/cancel", None).json["status"] == "cancelled"


def test_pictures_and_sound(wire: Wire) -> None:
    pictures = wire.post("openai", "/v1/images/generations", {"prompt": "x", "n": 2}).json["data"]
    raw = [base64.b64decode(picture["b64_json"]) for picture in pictures]
    assert all(image.startswith(b"\x89PNG\r\n\x1a\n") and image.endswith(b"IEND\xaeB`\x82") for image in raw)
    assert raw[0] != raw[1]
    sound = wire.post("openai", "/v1/audio/speech", {"model": "tts-1", "voice": "alloy", "input": "hi"})
    assert sound.headers["content-type"] == "audio/mpeg"
    assert sound.body.startswith(b"ID3")
    body, headers = form(model="whisper-1", file="abc")
    assert "3 bytes of a.jsonl" in wire.send("POST", "openai", "/v1/audio/transcriptions", body, headers).json["text"]


def test_grok_has_none_of_it(wire: Wire) -> None:
    assert wire.get("grok", "/v1/files").status == 404


def test_batches_of_messages(wire: Wire) -> None:
    asked = {"requests": [{"custom_id": "a", "params": {"model": "claude-sonnet-4-5"}}, {"custom_id": "b", "params": {}}]}
    batch = wire.post("anthropic", "/v1/messages/batches", asked, ANTHROPIC).json
    assert batch["processing_status"] == "ended"
    results = wire.get("anthropic", f"/v1/messages/batches/{batch['id']}/results", ANTHROPIC).lines
    assert [(line["custom_id"], line["result"]["type"]) for line in results] == [("a", "succeeded"), ("b", "succeeded")]
    assert batch in wire.get("anthropic", "/v1/messages/batches", ANTHROPIC).json["data"]
    assert wire.post("anthropic", "/v1/messages/batches", {"requests": []}, ANTHROPIC).status == 400
    missing = wire.get("anthropic", "/v1/messages/batches/msgbatch_none", ANTHROPIC)
    assert (missing.status, json.loads(missing.body)["error"]["type"]) == (404, "not_found_error")


def test_anthropics_files_are_a_preview(wire: Wire) -> None:
    body, headers = form(file="hello")
    assert wire.send("POST", "anthropic", "/v1/files", body, {**headers, **ANTHROPIC}).status == 404
    made = wire.send("POST", "anthropic", "/v1/files", body, {**headers, **BETA}).json
    assert (made["filename"], made["size_bytes"]) == ("a.jsonl", 5)
    assert wire.get("anthropic", "/v1/files", BETA).json["data"] == [made]
    assert wire.send("DELETE", "anthropic", f"/v1/files/{made['id']}", None, BETA).json["type"] == "file_deleted"
