"""Forms with files, as browsers and curl send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.api.multipart import MOST_PARTS, parts_of
from llm_gateway.core.errors import InvalidRequest

TYPE = "multipart/form-data; boundary=XyZ"


def form(*parts: tuple[str, bytes], boundary: str = "XyZ") -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + mark + b"--\r\n"


def test_a_file_and_a_field() -> None:
    body = form(
        ('Content-Disposition: form-data; name="file"; filename="a \\"b\\".txt"\r\nContent-Type: text/plain', b"line\r\n--XyZno\r\n"),
        ("content-disposition: form-data; name=title", "Ä".encode()),
    )
    file, title = parts_of(body, TYPE)
    assert (file.name, file.filename, file.media_type, file.data) == ("file", 'a "b".txt', "text/plain", b"line\r\n--XyZno\r\n")
    assert (title.name, title.filename, title.data.decode()) == ("title", None, "Ä")


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (b"", "multipart/form-data", "no boundary"),
        (b"", TYPE, "last boundary"),
        (form(("Content-Disposition: form-data; name=a", b"x"))[:-6], TYPE, "last boundary"),
        (b"--XyZ\r\nx\r\n--XyZ--", TYPE, "no headers"),
        (form(("Content-Type: text/plain", b"x")), TYPE, "no name"),
        (form(*[("Content-Disposition: form-data; name=a", b"x")] * (MOST_PARTS + 1)), TYPE, "more than"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        parts_of(body, content_type)


@given(st.lists(st.tuples(st.text(alphabet="abc", min_size=1, max_size=5), st.binary(max_size=50)), min_size=1, max_size=5))
def test_what_was_put_in_comes_out(fields: list[tuple[str, bytes]]) -> None:
    body = form(*((f'Content-Disposition: form-data; name="{name}"', data) for name, data in fields), boundary="a-boundary-of-its-own")
    assert [(part.name, part.data) for part in parts_of(body, 'multipart/form-data; boundary="a-boundary-of-its-own"')] == fields


@given(st.binary(max_size=200))
def test_anything_is_parts_or_a_refusal(body: bytes) -> None:
    for whole in (body, b"--XyZ\r\n" + body + b"\r\n--XyZ--"):
        try:
            parts_of(whole, TYPE)
        except InvalidRequest:
            continue
