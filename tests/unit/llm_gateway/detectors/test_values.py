import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.detectors.values import Grade, Shape, grade, shape, term_of_art


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("k3Jx9QmZ7pLw2VbN8tRf", Shape.RANDOM),
        ("9f86d081884c7d659a2feaa0c55ad015", Shape.HEX),
        ("3636dd46-ea21-11e9-81b4-2a2ae2dbcce4", Shape.UUID),
        ("getUserAccountByIdentifier2", Shape.NOT),
        ("CPyBytesWriter_WriteI64LE", Shape.NOT),
        ("2020-04-08T19:05:45", Shape.NOT),
        ("test-python3-linux-x86", Shape.NOT),
        ("0" * 32, Shape.NOT),
        ("1234567890123456", Shape.NOT),
    ],
)
def test_shape(value: str, expected: Shape) -> None:
    assert shape(value) is expected


@pytest.mark.parametrize("value", ["Tr0ub4dor&Qy2k2", "maple.rocket.95", "Winter4771&", "iP31dT_o", "Summer2024"])
def test_chosen_passwords(value: str) -> None:
    assert grade(value) >= Grade.PASSWORD


@pytest.mark.parametrize(
    "value",
    [
        "${DB_PASSWORD}",
        "<your-password>",
        "os.environ",
        "get_secret()",
        "changeme",
        "xxxxxxxx",
        "YOUR_API_KEY",
        "{{ token }}",
        "$TOKEN",
        "10.2.3.4",
    ],
)
def test_stand_ins_and_code(value: str) -> None:
    assert grade(value) is Grade.NONE


@pytest.mark.parametrize("value", ["utf-8", "python3", "GPT-4o", "Ctrl+Shift+P", "app1.conf", "v1.2.3", "2024-05-06"])
def test_terms_of_the_trade(value: str) -> None:
    assert term_of_art(value)


@given(st.text(max_size=600))
def test_never_raises(value: str) -> None:
    grade(value)
    shape(value)
