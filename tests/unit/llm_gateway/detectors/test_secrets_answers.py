"""Answers to security questions, codes sent to telephones, and numbers of things that say whose they are."""

import pytest

from llm_gateway.detectors.inspector import Inspector


@pytest.mark.parametrize(
    ("seen", "passed"),
    [
        ("mother's maiden name: Obermayr", "The bank asks for your mother's maiden name and your first pet."),
        ("Geheimfrage: erstes Auto? Antwort: Trabant", "What is a security question and why are they weak?"),
        ("The OTP I received is 559 203, what is it for?", "An OTP has 6 to 8 digits; RFC 4226 defines HOTP."),
        ("验证码是 558210，谁发的", "验证码为什么收不到"),
        ("auth-user-pass file:\nanna\nforelle88x", "openvpn --auth-user-pass reads two lines: username and password"),
        ("VIN WVWZZZ1KZAW381204 registered to Jana", "What does the tenth character of a VIN mean?"),
        ("policy no. HH-4471-882-19, insured: Bertil", "Summarise policy 2016/679 of the EU"),
        ("Her flat is at 52.22977, 21.01178", "Coordinates of the opera: 52.22977, 21.01178"),
        ("Send it to Venmo @farhad-karimi-44", "Venmo or Cash App: which has lower fees?"),
        ("call me on 07911 471 882. Thanks", "see section 02.14.2024: dates"),
    ],
)
def test_answers_and_codes(seen: str, passed: str, inspector: Inspector) -> None:
    assert inspector.judge([("/text", seen)]).sensitive
    assert not inspector.judge([("/text", passed)]).sensitive
