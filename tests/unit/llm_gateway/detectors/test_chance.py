"""What chance spells in drawn characters."""

import base64
import random

import pytest

from llm_gateway.detectors.chance import list_of_numbers, spelt_by_chance
from llm_gateway.detectors.inspector import Inspector

RUN = "Qm9" * 16


def _wrapped(rng: random.Random, count: int) -> str:
    return base64.encodebytes(rng.randbytes(count)).decode()


@pytest.mark.parametrize("label", ["CERTIFICATE", "PUBLIC KEY", "PGP PUBLIC KEY BLOCK", "CERTIFICATE REQUEST"])
def test_public_material_is_harmless(label: str, inspector: Inspector) -> None:
    rng = random.Random(label)
    texts = [f"what is wrong with it?\n-----BEGIN {label}-----\nMIID{_wrapped(rng, 700)}-----END {label}-----" for _ in range(20)]
    assert sum(inspector.judge([("/t", text)]).sensitive for text in texts) <= 1


def test_pictures_and_digests_are_harmless(inspector: Inspector) -> None:
    rng = random.Random(7)
    pictures = ["what is this? iVBORw0KGgoAAAANSUhEUgAA" + base64.b64encode(rng.randbytes(900)).decode() for _ in range(20)]
    digests = ["\n".join(rng.randbytes(size).hex() for _ in range(20)) for size in (16, 20, 32) * 5]
    assert sum(inspector.judge([("/t", text)]).sensitive for text in (*pictures, *digests)) <= 1


def test_bytes_are_no_card(inspector: Inspector) -> None:
    rng = random.Random(3)
    texts = ["values: " + " ".join(str(rng.randrange(256)) for _ in range(150)) for _ in range(20)]
    assert sum(inspector.judge([("/t", text)]).sensitive for text in texts) <= 1


@pytest.mark.parametrize(
    "text",
    [
        f"{RUN}\nmore of it: {RUN}\npass: Qx7!rTz9pL",
        f"{RUN}9pass: Qx7!rTz9pL",
        f"{RUN} pw: Qx7!rTz9pL {RUN}",
        "4539 1488 0343 6467 is what " + " ".join(map(str, range(90, 130))) + " says",
        "4 5 3 9 1 4 8 8 0 3 4 3 6 4 6 7",
        "card 45 391 488 03 436 467",
    ],
)
def test_what_is_told_beside_it_is_seen(text: str, inspector: Inspector) -> None:
    assert inspector.judge([("/t", text)]).sensitive


def test_only_words_within_a_run_are_chance() -> None:
    text = f"{RUN[:20]}pw{RUN} pw\npassword"
    by_chance = spelt_by_chance(text)
    assert by_chance
    assert by_chance(20, 22)
    last = text.rindex("pw")
    assert not by_chance(last, last + 2)
    assert spelt_by_chance("getUserNameFromDatabase2 pw") is None


def test_groups_of_a_card_are_no_list() -> None:
    assert list_of_numbers("51 75 120 120 121 110")
    assert not list_of_numbers("4539 1488 0343 6467")
    assert not list_of_numbers("4 5 3 9 1 4 8 8")
