"""Everyday words as passwords in configuration files and commands, and the stand-ins of manuals."""

import pytest

from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.secrets_chosen import chosen_word


@pytest.mark.parametrize("value", ["forelle", "lagoon-Nine", "zander88hecht", "correct-lagoon-nine", "Qx7!rTz9p"])
def test_a_word_may_be_a_password(value: str) -> None:
    assert chosen_word(value)


@pytest.mark.parametrize(
    "value",
    [
        *("changeme", "postgres", "my-secret-pw", "<password>", "${DB_PASS}", "getPassword"),
        *("DB_PASSWORD", "string", "required", "Passwort", "contraseña", "xxxxxxxx", "pass"),
    ],
)
def test_stand_ins_are_none(value: str) -> None:
    assert not chosen_word(value)


@pytest.mark.parametrize(
    ("live", "harmless"),
    [
        ("MYSQL_ROOT_PASSWORD: forelle", "MYSQL_ROOT_PASSWORD: ${ROOT_PW}"),
        ("db.password=stichling", "db.password=secret"),
        ('{"username":"shop","password":"forelle"}', '{"username":"Benutzername","password":"Passwort"}'),
        ("GRANT ALL ON *.* TO 'a'@'%' IDENTIFIED BY 'forelle';", "items identified by `id`, or by name"),
        ('network={\n  ssid="Shop"\n  psk="forelle im bach"\n}', "psk = pre-shared key, how long should it be?"),
        ("wifi pizzeria: margherita2020", "wifi: Intel AX210, 802.11ax, 2400Mbit"),
        ("enable password forelle", "enable password encryption"),
        ('10.1.1.1 : PSK "forelle88bach"', "a PSK of 32 bytes"),
        ("kind: Secret\nmetadata:\n  name: a\ndata:\n  password: em9uZGVyODg=", "kind: Secret\nmetadata:\n  name: a\ntype: Opaque"),
        ("activation key GMUZ-TNM7-NFQX-ZWD4", "voucher SUMMER-2024-SALE gives 20 %"),
        ("Tell Jonas the safe is 22-08-41-17", "the locker room opens 12-05-2024"),
        ("door: 4471*", "door: oak, 80x210cm"),
        ("samira (dot) haddad (at) gmail (dot) com", "look at gmail dot com and info (at) museum (dot) org"),
    ],
)
def test_forms(live: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", live)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive
