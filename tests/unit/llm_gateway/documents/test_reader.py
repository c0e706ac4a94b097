# ruff: noqa: E501 - tables of files read best unbroken
"""Files read as text, each in its process; hostile ones end in a refusal that says why, in time."""

import asyncio
import io
import time
import zipfile

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.llm_gateway.documents.files import bomb, docx_file, pdf_file

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.documents.kinds import Limits, Read, format_of
from llm_gateway.documents.reader import FileReader
from llm_gateway.documents.reading import read

LIMITS = Limits(100_000, 20, 8 << 20)


def read_file(data: bytes, name: str = "", media_type: str = "", limits: Limits = LIMITS, timeout_s: float = 30) -> Read:
    async def reading() -> Read:
        return await FileReader().read(data, name, media_type, limits, timeout_s)

    return asyncio.run(reading())


def test_a_docx() -> None:
    found = read_file(docx_file(), "guide.docx")
    assert (found.format, found.title, found.pages) == ("docx", "The Guide", None)
    assert found.text == "# Guide\n\n# Setup\n\nThe storage service keeps documents.\n- first\n- second\n\n| name |  |\n|  | value |"


def test_a_pdf() -> None:
    found = read_file(pdf_file("Hello PDF", "Second page"), "a.pdf", "application/pdf")
    assert (found.format, found.text, found.pages) == ("pdf", "Hello PDF\n\nSecond page", 2)


def test_html() -> None:
    page = b"""<!doctype html><html><head><meta charset="latin-1"><title>T &amp; x</title><style>p {}</style></head><body><h1>Hi</h1>
      <p>a <b>b</b>c\xe9<ul><li>x<li>y</ul><table><tr><th>1</th><td>2</td></tr></table><script>bad()</script><pre>code
 x</pre><p onclick="evil()">end</body>"""
    found = read_file(page, "a.html", "text/html")
    assert (found.format, found.title) == ("html", "T & x")
    assert found.text == "# Hi\n\na bc\xe9\n\n- x\n- y\n\n| 1 | 2 |\n\n```\ncode\n x\n```\n\nend"


@pytest.mark.parametrize(
    ("data", "name", "media_type", "form", "text"),
    [
        (b"hello\r\nworld", "a.txt", "", "text", "hello\nworld"), (b"# hi", "a.md", "", "markdown", "# hi"), (b"# hi", "", "text/markdown; charset=utf-8", "markdown", "# hi"),
        ("é".encode("latin-1"), "a.txt", "text/plain; charset=latin-1", "text", "é"), ("é".encode("utf-16"), "a.txt", "", "text", "é"),
        (b"\xef\xbb\xbfx", "", "", "text", "x"), (b"plain", "", "application/octet-stream", "text", "plain"),
    ],
)  # fmt: skip
def test_texts(data: bytes, name: str, media_type: str, form: str, text: str) -> None:
    found = read_file(data, name, media_type)
    assert (found.format, found.text) == (form, text)


def locked() -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_file("secret")))
    writer.encrypt("password", algorithm="RC4-128")
    held = io.BytesIO()
    writer.write(held)
    return held.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"  \n", "a.txt", "empty_document"), (b"\x00\x01\x02", "a.bin", "not_text"), (b"\xff\xfe\x00", "a.txt", "not_text"), (b"no pdf", "a.pdf", "wrong_type"),
        (b"no docx", "a.docx", "wrong_type"), (pdf_file("x"), "a.docx", "wrong_type"), (b"PK\x03\x04sheet", "a.xlsx", "unsupported_type"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.doc", "unsupported_type"), (b"\x89PNG", "a.png", "unsupported_type"), (bomb(9), "a.docx", "document_too_large"),
        (docx_file(doctype=True), "a.docx", "unsafe_xml"), (docx_file()[:3_000], "a.docx", "broken_document"), (pdf_file("x")[:200], "a.pdf", "broken_document"),
        (b"%PDF-1.4\n" + b"1 0 obj\n<<" * 5_000, "a.pdf", "broken_document"), (pdf_file("x", pages=21), "a.pdf", "document_too_long"), (pdf_file(" "), "a.pdf", "no_text"),
        (b"x" * 100_001, "a.txt", "document_too_long"), (b"<p>" + b"x " * 100_001, "a.html", "document_too_long"), (b"<html><script>x</script>", "a.html", "no_text"),
        (b"x", "a.txt", ""),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(data: bytes, name: str, code: str) -> None:
    if not code:
        with pytest.raises(InvalidRequest, match="charset is not known"):
            read_file(data, name, "text/plain; charset=klingon")
        return
    with pytest.raises(InvalidRequest) as refusal:
        read_file(data, name)
    assert (refusal.value.code, refusal.value.param) == (code, "file")


def test_a_locked_pdf() -> None:
    with pytest.raises(InvalidRequest, match="password") as refusal:
        read_file(locked(), "a.pdf")
    assert refusal.value.code == "locked_document"


def test_an_archive_that_lies_about_its_size() -> None:
    data = bytearray(bomb(64))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        size = archive.getinfo("word/document.xml").file_size
    data = bytearray(bytes(data).replace(size.to_bytes(4, "little"), (1_000).to_bytes(4, "little")))
    with pytest.raises(InvalidRequest) as refusal:
        read_file(bytes(data), "a.docx")
    assert refusal.value.code == "broken_document"


@pytest.mark.parametrize("page", [b"<!--" * 200_000, b"<a " * 300_000])
def test_a_page_that_keeps_the_parser_busy_is_given_up_in_time(page: bytes) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidRequest, match=r"longer than 1 s|no text|more time"):
        read_file(page, "a.html", "text/html", Limits(10_000_000, 1, 1 << 20), 1)
    assert time.perf_counter() - start < 6


def test_a_file_gets_its_time_and_no_more() -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidRequest) as refusal:
        read_file(pdf_file("x"), "a.pdf", timeout_s=0.01)
    assert refusal.value.code == "reading_timeout"
    assert time.perf_counter() - start < 5


def test_the_loop_runs_on_while_a_file_is_read() -> None:
    async def reading() -> int:
        reader = asyncio.create_task(FileReader().read(pdf_file("x"), "a.pdf", "", LIMITS, 30))
        turns = 0
        while not reader.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert reader.result().text == "x"
        return turns

    assert asyncio.run(reading()) > 10


def test_the_reading_process_sees_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_gateway.documents.reader import _environment  # noqa: PLC0415

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "OPENAI_API_KEY" not in _environment()


@settings(max_examples=60)
@given(st.sampled_from([pdf_file("Hello"), docx_file(), b"<html><p>x</p>"]), st.data())
def test_mangled_files_are_read_or_refused(data: bytes, draw: st.DataObject) -> None:
    mangled = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 6))):
        at = draw.draw(st.integers(0, len(mangled)))
        mangled[at : at + draw.draw(st.integers(0, 20))] = draw.draw(st.binary(max_size=20))
    try:
        form = format_of(bytes(mangled), "", "")
        found = read(bytes(mangled), form, LIMITS)
    except InvalidRequest:
        return
    assert found.text.strip()
