"""Passwords that no word announces, and what merely looks like them."""

import pytest

from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.normalise import fold
from llm_gateway.detectors.secrets_bare import bare_passwords, paired_passwords


def found(text: str) -> list[str]:
    folded = fold(text)
    return sorted({folded[hit.start : hit.end] for hit in (*bare_passwords(folded), *paired_passwords(folded))})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ssh root@10.20.4.7 then type Kestrel$88tango and restart", "Kestrel$88tango"),
        ("for the NAS it's now Xk7pQ2vv9! since yesterday", "Xk7pQ2vv9!"),
        ("user kmeyer / Fj3rn%Lampe", "Fj3rn%Lampe"),
        ("entra con jefe.ventas y Sol2024!Luna en el CRM", "Sol2024!Luna"),
        ("用 zhangwei 和 Tiger!8888x 登录后台", "Tiger!8888x"),
        ("Old one was Sommer2024!, new one is coming", "Sommer2024!"),
        ("log in to grafana with monitoring and 8uCket-Tree", "8uCket-Tree"),
        ("MQTT broker: mosq/Moskito!33", "Moskito!33"),
        ("reset to Welcome#2931 until she picks her own", "Welcome#2931"),
    ],
)
def test_told_by_their_look_or_by_the_login(text: str, value: str) -> None:
    assert found(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "use Sheet1!B2:C20 and Tabelle2!A1 for the chart",
        "issue Ticket#8888 and CoolCat#0420 in the network",
        "vue@3.4.1 and actions/checkout@v4",
        "see datastructures.py#L282 and String#sub2",
        "java.util.Map$Entry1 and Outer$Inner2",
        "costs US$50Million and R&D2024",
        "Th1ng%20With%20Space",
        "2*S.ImaginaryUnit and mA*a*u1*u2",
        "iPhone15! Samsung S24! Which one?",
        "router, AX3000-Mesh, 2x2 and K8s-Cluster",
        "log in with SSO and OAuth2-Proxy",
        "if (a1 && Foo!Bar2x) { return; }",
        "https://example.org/Abc!1def",
    ],
)
def test_names_code_and_amounts_are_none(text: str) -> None:
    assert found(text) == []


def test_the_sign_of_a_login_must_stand_in_the_same_line() -> None:
    assert found("log in here\nthe album is Sommer2024!") == []


@pytest.mark.parametrize(
    ("live", "harmless"),
    [
        ("login p.nowak haslo Zamek_Krol1", "login page, haslo field_1"),
        ("username vera password Kompass_7", "FTP with username and password:\n\n`aria2c --ftp-user {{username}}`"),
        ("username,password\nshop,forelle88", "username,password\nstring,string"),
        ('the passphrase is "sieben zwerge tanzen 42"', 'the passphrase is "a row of words"'),
        ("Teams meeting password tD4kPz", "Teams meeting password policy"),
        ("keepalived auth_pass Forelle12x", "auth_pass field"),
    ],
)
def test_a_value_beside_its_word(live: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", live)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive
