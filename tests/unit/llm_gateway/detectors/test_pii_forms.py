"""Personal data in the forms of many countries, and numbers that resemble it."""

import pytest

from llm_gateway.detectors.inspector import Inspector


@pytest.mark.parametrize(
    ("live", "harmless"),
    [
        ("student number 4839201, Priya Raman failed", "student number grew to 48392 in 2023"),
        ("Rentenversicherungsnr.: 65 170839 J 003", "Rentenversicherung seit 1889"),
        ("California license D6523417", "California license fees 2024: 17.00"),
        ("RUN 12345678", "RUN 48213009-19f0-461c-a2e4-382eb3f59fa2"),
        ("CNI n°X4RTBPFW4", "CNI ou passeport ?"),
        ("RUN 17654321", 'metadata: {"run": "f013a5e2-19f0-461c-a2e4-382eb3f59fa2"}'),
        ("Keizersgracht 123-2, 1015 CJ Amsterdam (Pieter de Vries)", "Chapter 3, 10000 Meters, gold medal"),
        ("Lena Vogt, Am Alten Markt 3, 01067 Dresden", "Hotel Adlon, Unter den Linden 77, 10117 Berlin"),
        ("北京市朝阳区建国路88号3单元1201室", "会议室在3号楼201室"),
        ("UPI suresh.k@okhdfcbank", "UPI name@bank"),
        ("H1B petition WAC2190123456", "WAC computers of 1995"),
        ("cel 55 1234 5678 de mi mama", "cel. temperature 36.6 36.9 37.1"),
        ("write to petra.kovacs@email.cz", "write to petra.kovacs@email.com"),
    ],
)
def test_forms(live: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", live)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive
