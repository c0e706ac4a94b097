"""Passwords that programs type, dumps of hashes, and answers in chats."""

import pytest

from llm_gateway.detectors import lexicon
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.linear import compile_pattern

_NT = "ea9bd9e8f3abc780cd15206aa588" + "1556"
_EMPTY_LM, _EMPTY_NT = "aad3b435b51404eeaad3b435b51404ee", "31d6cfe0d16ae931b73c59d7e0c089c0"


@pytest.mark.parametrize(
    ("live", "harmless"),
    [
        ("page.fill('#password', 'zander8815')", "page.fill('#password', process.env.PW)"),
        ("page.fill('[name=\"pin\"]', '739202')", "page.fill('[name=\"city\"]', '739202')"),
        ("driver.find_element(By.ID, 'pw').send_keys('zander8815')", "driver.find_element(By.ID, 'city').send_keys('Hamburg22')"),
        ("cy.get('[data-test=password]').type('Kestrel-Bay8{enter}')", "cy.get('[data-test=password]').type('{enter}')"),
        ("Input Password    id:password    zander8815", "Input Password    id:password    ${PASSWORD}"),
        ("fill_in 'Password', with: 'zander8815'", "fill_in 'Password', with: 'password'"),
        ("$('#passwd').val('zander8815');", "$('#passwd').val(generated);"),
        ("xdotool type 'glacier-Plum89'", "xdotool type 'hello world'"),
        ('expect "assword:"\nsend "zander8815\\r"', 'expect "assword:"\nsend "$pw\\r"'),
        ("child.expect('Password: ')\nchild.sendline('zander8815')", "child.expect('Password: ')\nchild.sendline(getpass())"),
        (f"ops:1107:{_EMPTY_LM}:{_NT}:::", f"guest:501:{_EMPTY_LM}:{_EMPTY_NT}:::"),
        (f"psexec -hashes :{_NT} corp/ole@10.0.3.2", "psexec -hashes <LM:NT> domain/user@host"),
        (
            f"jsmith::CORP:1122334455667788:{_NT}:0101000000000000c0653150de09d201",
            "explain user::domain:challenge:proof:0101000000000000",
        ),
        (f"hashcat input:\nlena:{_NT}\nmark:{_NT[::-1]}", f"md5sum:\nbuild.zip:{_NT}\nnotes.txt:{_NT[::-1]}"),
        ("our SNMP community on the switches is Wq81zLmPw", "our SNMP community on the forum is growing"),
        ("community gS3nuPwbcv is our SNMP v2 write string", "the community is our greatest strength in SNMP v2"),
    ],
)
def test_forms(live: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", live)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive


@pytest.mark.parametrize(
    ("live", "harmless"),
    [
        ("bea: whats the grafana login again?\ntom: viewer2 / Tr41ler5!", "bea: whats the grafana login page?\ntom: intranet / tools"),
        ("[11:20] mia: have you got the sftp user?\n[11:21] rob: partner7 / Dune-crab56", "mia: sftp user?\nrob: sure / tomorrow 10:30"),
        ("Luca: le credenziali?\nSara: fornitori / Ginepro_49", "Luca: le credenziali?\nSara: chiedi a Giulia, non le ho"),
    ],
)
def test_answers_to_questions_about_access(live: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", live)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive


@pytest.mark.parametrize(
    "harmless",
    [
        "assert not cpf_valid('111.111.111-11')",
        "expect(validateCpf('222.222.222-22')).toBe(false)",
        "IBAN GB82 WEST 1234 5698 7654 33 fails validation, is the check digit wrong?",
        "DE83 3704 0044 8155 5007 69 - checksum error",
        f"the LM hash of an empty password is {_EMPTY_LM}",
        "Why do password managers use a function such as Argon2?",
    ],
)
def test_numbers_and_hashes_of_nobody(harmless: str, inspector: Inspector) -> None:
    assert not inspector.judge([("/t", harmless)]).sensitive


def test_every_rule_has_at_most_one_group() -> None:
    """`accept` is given group 1: with a second group it would be given None where the second matched."""
    standard = lexicon.standard()
    for pattern in (*standard.patterns, *standard.token_patterns):
        assert compile_pattern(pattern.rule.pattern).groups <= 1, pattern.rule.name  # type: ignore[attr-defined]
