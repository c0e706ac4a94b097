"""Codes, phrases and changed passwords that sentences tell, beside sentences about the same things that tell none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.detectors.inspector import Inspector
from llm_gateway.detectors.secrets_told import changed_value, lock_codes, told_phrase


@pytest.mark.parametrize(
    ("told", "harmless"),
    [
        ("Der Safe im Keller hat den Code 21-48-83.", "Der Safe im Keller kostet 2148 Euro."),
        ("our safe opens with 31-07-88", "our safe was delivered on 31-07-88"),
        ("the alarm panel takes 4418 to disarm", "the alarm panel shows error code 4418"),
        ("per aprire il cancello si digita 9043", "per aprire il cancello ho speso 9043 euro"),
        ("om de poort te openen toets je 5528 in", "om de poort te openen is een motor van 5528 watt nodig"),
        ("код от сейфа 29-74-16", "код ошибки 29-74-16"),
        ("保险柜密码是 592847", "保险柜密码忘了怎么办？型号 592847"),
        ("my phone's passcode is 318841", "my phone number is not in area code 318841"),
        ("is it open? the door code is 7305", "is it safe to use the code 7305 here?"),
        ("the gate code is 7305", "the gate error code is 7305"),
    ],
)
def test_codes_of_locks(told: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", told)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive


@pytest.mark.parametrize(
    ("told", "harmless"),
    [
        ("the passphrase for the drive is copper violin meadow thunder, all lower case", "the passphrase for the drive is asked for twice"),
        ("Die Passphrase lautet nebel ofen tulpe hafen.", "Die Passphrase ist immer noch nicht bekannt."),
        ("la phrase de passe est girafe tambour nuage citron", "la phrase de passe est toujours demandée deux fois"),
        ("парольная фраза: туман лимон гвоздь река", "парольная фраза: она должна быть очень длинная"),
        ("the password is three words, banjo glacier mustard", "the password is three words, one number, no spaces"),
        ("hasło to trzy słowa latarnia miedź kotwica", "hasło to trzy słowa i nie więcej"),
        ("passphrase 'lantern pebble orbit walnut'", "a passphrase such as 'correct horse battery staple'"),
    ],
)
def test_phrases(told: str, harmless: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", told)]).sensitive
    assert not inspector.judge([("/t", harmless)]).sensitive


@pytest.mark.parametrize(
    "told",
    [
        "A senha do banco mudou para GLAC-268-agua ontem.",
        "Le mot de passe de la base a changé pour VERRE-551-pluie hier",
        "Das Passwort vom Testserver wurde gestern auf HAFEN-338-wolke geändert",
        "La password del gestionale è cambiata in NEBBIA-207-corvo",
        "Пароль от базы вчера поменяли на OKNO-772-reka",
        "生产库密码昨天改成了 YUN-847-mao",
        "本番DBのパスワードは昨日 KUMO-386-neko に変更されました",
        "Veritabanı şifresi dün BULUT-703-kedi olarak değiştirildi",
    ],
)
def test_what_a_password_was_changed_to(told: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", told)]).sensitive


@pytest.mark.parametrize(
    "harmless",
    [
        "The password policy was changed to NIST-800-63b yesterday.",
        "The password was changed at 10:30 because of ticket OPS-4410-fix",
        "Das Passwort wurde am 2024-05-12 geändert.",
        "Le mot de passe doit être changé tous les 90 jours",
        "Пароль поменяли на более сложный",
    ],
)
def test_that_a_password_was_changed(harmless: str, inspector: Inspector) -> None:
    assert not inspector.judge([("/t", harmless)]).sensitive


@given(st.text(max_size=300), st.integers(0, 300))
def test_any_text_is_survived_and_spans_lie_within(text: str, at: int) -> None:
    at = min(at, len(text))
    spans = [(hit.start, hit.end) for hit in lock_codes(text, [(at, at, "door"), (at, at, "phone"), (at, at, "safe")])]
    spans += [span for span in (told_phrase(text, at, at), changed_value(text, at, at)) if span]
    assert all(0 <= start < end <= len(text) for start, end in spans)
