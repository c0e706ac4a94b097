"""`POST /documents` and `llm-gateway docs`: files in, text found again, hostile files refused, tenants apart."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import RunningGateway, running_gateway
from tests.unit.llm_gateway.documents.files import bomb, docx_file, pdf_file

from llm_gateway.__main__ import main
from llm_gateway.cli.docs import files_of, id_of
from llm_gateway.cli.outcome import CommandFailed
from llm_gateway.simulator import SimulatorProcess


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[RunningGateway]:
    settings = {"integrations.max_upload_bytes": 1 << 20, "integrations.upload_timeout_s": 20}
    with running_gateway(tmp_path_factory.mktemp("uploads"), simulator_of_session, settings) as running:
        yield running


def form(data: bytes, filename: str, media_type: str = "application/octet-stream", **fields: str) -> tuple[bytes, dict[str, str]]:
    pieces = [f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    head = f'--b0\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: {media_type}\r\n\r\n'
    return b"".join(pieces) + head.encode() + data + b"\r\n--b0--\r\n", {"content-type": "multipart/form-data; boundary=b0"}


def test_a_form_with_a_pdf_is_kept_and_found(gateway: RunningGateway) -> None:
    body, headers = form(
        pdf_file("Zanzibar ferry times"), "C:\\ferries\\plan.pdf", "application/pdf", metadata='{"team": "travel"}', user_id="ann"
    )
    answer = gateway.call("POST", "/documents", body, headers)
    assert answer.status == 201, answer.body
    kept = answer.json
    assert (kept["format"], kept["pages"], kept["title"], kept["mode"]) == ("pdf", 1, "plan.pdf", "embedded")
    assert kept["correlation_id"] == answer.headers["x-correlation-id"]
    hits = gateway.post("/integrations/doc_store/search", query="zanzibar", user_id="ann").json["result"]["hits"]
    assert [hit["doc_id"] for hit in hits] == [kept["doc_id"]]
    assert hits[0]["metadata"] == {
        "team": "travel",
        "format": "pdf",
        "pages": 1,
        "filename": "plan.pdf",
        "bytes": len(pdf_file("Zanzibar ferry times")),
    }
    assert gateway.post("/integrations/doc_store/search", query="zanzibar", user_id="bob").json["result"]["hits"] == []


def test_a_raw_body_replaces_the_document_of_its_id(gateway: RunningGateway) -> None:
    path = "/documents?filename=guide.docx&doc_id=guide&user_id=ann"
    first = gateway.call("POST", path, docx_file(), {"content-type": "application/octet-stream"}).json
    assert (first["doc_id"], first["title"], first["format"], first["replaced"]) == ("guide", "The Guide", "docx", False)
    again = gateway.call("POST", path + "&title=Other", docx_file(), {"content-type": "application/octet-stream"}).json
    assert (again["title"], again["replaced"]) == ("Other", True)


def test_a_sensitive_file_is_marked(gateway: RunningGateway) -> None:
    answer = gateway.call(
        "POST", "/documents?filename=a.txt", b"# Notes\n\nthe admin password is " + b"Tr0ub4dor" + b"&Qy2k2", {"content-type": "text/plain"}
    )
    assert answer.json["sensitive"] is True
    assert b"Tr0ub4dor" not in answer.body


@pytest.mark.parametrize(
    ("body", "headers", "status", "param"),
    [
        (b"x" * ((1 << 20) + 1), {"content-type": "text/plain"}, 413, "file"),
        (b"", {"content-type": "text/plain"}, 400, "file"),
        (b"\x00\x01", {"content-type": "text/plain"}, 400, "file"),
        (bomb(200), {"content-type": "application/octet-stream"}, 400, "file"),
        (b"no", {"content-type": "application/pdf"}, 400, "file"),
        (b"--b0--", {"content-type": "multipart/form-data; boundary=b0"}, 400, None),
        (form(b"x", "a.txt", surprise="y")[0], {"content-type": "multipart/form-data; boundary=b0"}, 400, "surprise"),
        (form(b"x", "a.txt", metadata="[1]")[0], {"content-type": "multipart/form-data; boundary=b0"}, 400, "metadata"),
        (form(b"x", "a.txt", doc_id="../x")[0], {"content-type": "multipart/form-data; boundary=b0"}, 400, "doc_id"),
        (b"x", {"content-type": "text/plain", "sec-fetch-site": "cross-site"}, 403, None),
    ],
)
def test_what_is_no_document_is_refused_by_name(
    gateway: RunningGateway, body: bytes, headers: dict[str, str], status: int, param: str | None
) -> None:
    started = time.perf_counter()
    answer = gateway.call("POST", "/documents", body, headers)
    assert (answer.status, answer.json["error"]["param"]) == (status, param), answer.body
    assert time.perf_counter() - started < 10


def test_keys_guard_documents(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator, {"auth.required": True}) as gateway:
        assert gateway.call("POST", "/documents", b"x", {"content-type": "text/plain"}).status == 401


def test_ids_of_files_are_ids_and_tell_paths_apart() -> None:
    assert id_of(Path("docs/api.md")).startswith("docs-api.md-")
    assert id_of(Path("api.md")) == "api.md"
    assert id_of(Path("a/b.md")) != id_of(Path("a-b.md"))
    assert len(id_of(Path("x/" * 200 + "ä.md"))) <= 128


def test_files_by_path_folder_and_glob(tmp_path: Path) -> None:
    for name in ("a.md", "sub/b.txt", "sub/c.bin", ".hidden/d.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    names = [path.name for path in files_of([str(tmp_path)])]
    assert names == ["a.md", "b.txt"]
    assert [path.name for path in files_of([f"{tmp_path}/**/*.bin", f"{tmp_path}/a.md", f"{tmp_path}/*.md"])] == ["c.bin", "a.md"]
    with pytest.raises(CommandFailed, match="no file"):
        files_of([f"{tmp_path}/*.pdf"])


def test_docs_add_and_search(gateway: RunningGateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.md").write_text("# Yurts\n\nA yurt is a round tent.")
    (tmp_path / "two.html").write_text("<h1>Igloos</h1><p>An igloo is made of snow.</p>")
    (tmp_path / "bad.pdf").write_text("no pdf")
    options = ["--url", gateway.url, "--user", "eve"]
    assert main(["docs", "add", f"{tmp_path}/*.md", f"{tmp_path}/two.html", "--metadata", "team=tents", *options]) == 0
    assert "Yurts" in capsys.readouterr().out
    assert main(["docs", "search", "igloo snow", *options]) == 0
    assert "made of snow" in capsys.readouterr().out
    assert main(["docs", "search", "yurt", "--json", *options]) == 0
    hits = json.loads(capsys.readouterr().out)["result"]["hits"]
    assert hits[0]["metadata"]["team"] == "tents"
    assert main(["docs", "add", str(tmp_path), *options]) == 1
    said = capsys.readouterr()
    assert "said to be pdf and is not" in said.err
    assert "1 of 3 files were not added" in said.err
    listed = gateway.post("/integrations/doc_store/list", user_id="eve").json["result"]
    assert listed["total"] == 2, "a file that is added again replaces itself"
    assert main(["docs", "add", str(tmp_path / "gone.md"), *options]) == 2
    assert main(["docs", "search", "nothingatall", *options]) == 0
