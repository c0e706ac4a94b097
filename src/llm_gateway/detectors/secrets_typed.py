# ruff: noqa: E501  # patterns read best unbroken
"""Passwords that a program types for a person, and dumps of the hashes that systems keep of passwords."""

from llm_gateway.detectors.rules import Rule
from llm_gateway.detectors.secrets_chosen import anchored_rule, chosen_word
from llm_gateway.detectors.secrets_structured import PASSWORD
from llm_gateway.detectors.values import EMPTY_HASHES, Grade, file_or_version, grade, repetitive

_FIELD = r"(?:pass(?:word|wd|wort|code|phrase|_?field|_?input)?|pwd|pw|psw|passwd|kennwort|mdp|senha|contrasena|clave|haslo|heslo|wachtwoord|parola|losenord|pin|пароль)"
"""How forms name the field of a password."""
_FILLED = r"(?:fill|fill_in|fill_form|type|type_keys|type_text|typetext|input_text|entertext|enter_text|send_?keys|set|set_?value|set_?text|val|value|press_?sequentially|replacetext|addvalue|clearandtype)"
_VALUE = r"b?[\"'`]([^\"'`\s{}<>$]{4,60})"


def _dumped(value: str) -> bool:
    """Whether a hash is of a password rather than of nothing, or a row of the same digit."""
    return value.lower() not in EMPTY_HASHES and not repetitive(value) and len(set(value.lower())) > _FEWEST_DIFFERENT


_FEWEST_DIFFERENT = 7


def _typed(value: str) -> bool:
    """Whether what is typed somewhere is a password: nothing but its look tells."""
    marked = any(mark in value[1:] for mark in "!@#$%^&*~+_-")
    return grade(value) >= Grade.PASSWORD and not file_or_version(value) and chosen_word(value) and marked and "/" not in value


TYPED_RULES: tuple[Rule, ...] = (
    anchored_rule(
        "filled_field",
        PASSWORD,
        0.82,
        ".fill(|.type(|->type(|send_keys(|sendkeys(|setvalue(|set_value(|.val(|presssequentially(|press_sequentially(|typetext(|type_text(|fill_in|.set(|.clear().type|input text|input password|replacetext(|addvalue(|settext(|entertext(|.value =|.value=",
        rf"(?i)(?:^|[^a-z]|[a-z]_|user|login|txt|input|admin){_FIELD}(?:[0-9]?[\"'`\])]|[^a-z\n;][^\n;]{{0,48}}?[\"'`)]|[-_]?(?:field|input|box|el|elem))[^\n;\"'`]{{0,16}}?(?:\.clear\(\))?\.(?:{_FILLED}\(\s*|value ?= ?){_VALUE}",
        "Playwright, Cypress, Selenium, WebdriverIO, Puppeteer: locator, then what to type",
        "cy.get('input[name=pwd]').type('" + "zander8814" + "')",
        "cy.get('input[name=pwd]').type('{enter}')",
        chosen_word,
    ),
    anchored_rule(
        "filled_named",
        PASSWORD,
        0.82,
        ".fill(|.type(|->type(|setvalue(|set_value(|typetext(|type_text(|fill_in|input text|input password|fillfield(|->fill(|entertext(",
        rf"(?i)(?:(?:->|\.|\b)(?:{_FILLED}|fillfield|fill_?in)\(? ?(?:[\"'`:]|[\w.]{{1,30}}\([/\"'`])(?:[^\n,()]{{0,60}}?(?:[^a-z]|user|login))?{_FIELD}[^\n,()]{{0,24}}\)?,\s*(?:with: ?)?b?[\"'`]|\binput (?:text|password)\s{{2,8}}\S*{_FIELD}\S*\s{{2,8}})([^\"'`\s{{}}<>$]{{4,60}})",
        "Playwright's page.fill, Laravel Dusk, Capybara, Robot Framework: selector and text as two arguments",
        "page.fill('#password', '" + "zander8814" + "')",
        "page.fill('#password', process.env.PW)",
        chosen_word,
    ),
    anchored_rule(
        "typed_text",
        PASSWORD,
        0.78,
        "xdotool type|ydotool type|wtype |typewrite(|pyautogui.write|sendkeys |sendinput|send_keys(|keystroke |adb shell input text|sendtext",
        r"(?i)(?:\b[xy]dotool type (?:--?[a-z-]+ (?:[0-9]+ )?){0,3}|\bwtype |typewrite\(|pyautogui\.write\(|\bsend(?:keys|input|text)[, (]+|\bsend_keys\(\s*|keystroke |input text )[\"']([^\s\"'{}$]{7,60})",
        "xdotool(1), PyAutoGUI, AutoHotkey, AppleScript",
        "xdotool type '" + "Zander-hecht88" + "'",
        "xdotool type 'hello'",
        _typed,
    ),
    anchored_rule(
        "expect_send",
        PASSWORD,
        0.82,
        'send "|send -- |send {|sendline|exp_send|send_user|.send(',
        r"(?is)(?:assword|asswort|assphrase|mot de passe|contrasena)[^\n]{0,24}[\n{;,)]?[^\n]{0,24}?(?:exp_)?send(?:line)?\s?\(?(?:-- |-s )?b?[\"'{]([^\"'\n$\\{}\s]{4,60})(?:\\[rn]|\n)*[\"'}]",
        "expect(1), pexpect, Net::SSH::Expect",
        'expect "assword:"\nsend "' + "zander8814" + '\\r"',
        'expect "assword:"\nsend "$pw\\r"',
        chosen_word,
    ),
    anchored_rule(
        "ntlm_dump",
        PASSWORD,
        0.88,
        ":::|aad3b435b51404eeaad3b435b51404ee|-hashes|--hash|crackmapexec|netexec|evil-winrm|:0101000000000000",
        r"(?i)(?:\b[\w.\\$\-]{1,60}:[0-9]{3,8}:[0-9a-f]{32}:|aad3b435b51404eeaad3b435b51404ee:|::[\w.\-]{0,40}:[0-9a-f]{16}:|(?:-hashes|--hash(?:es)?|-H) :?(?:[0-9a-f]{32}:)?)([0-9a-f]{32})(?:[^0-9a-f]|$)",
        "Impacket's secretsdump, pwdump: name, number, LM hash, NT hash",
        "ops:1107:aad3b435b51404eeaad3b435b51404ee:" + "ea9bd9e8f3abc780cd15206aa5881556:::",
        "guest:501:aad3b435b51404eeaad3b435b51404ee:31d6cfe0d16ae931b73c59d7e0c089c0:::",
        _dumped,
    ),
    anchored_rule(
        "hash_list",
        PASSWORD,
        0.82,
        "hashcat|ntlm|ntds|john |secretsdump|password hash|hashes|user table|users table|leaked|sam hive|sam dump",
        r"(?im)^[ \t>]{0,8}[a-z][\w.@\\\-]{1,40}[:;,][ \t]?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128})(?:[:;,]\S{0,40})?[ \t]*$",
        "lists of names and hashes as hashcat --username and john read them",
        "hashcat --username:\nlena:" + "1c9d0f7be2a34856b0d2e8f1a97c3b54",
        "hashcat hashes:\nempty:d41d8cd98f00b204e9800998ecf8427e",
        _dumped,
    ),
)
