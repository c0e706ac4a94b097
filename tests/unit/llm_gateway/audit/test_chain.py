import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.llm_gateway.audit.trails import KEY, OTHER_KEY, anchor, intent, outcome

from llm_gateway.audit.chain import MOST_RECENT, AuditKey, Chain, TamperedRecord, is_sealed, make_checkpoint, make_head, resealed
from llm_gateway.audit.rows import NO_MAC, canonical
from llm_gateway.core.errors import ConfigurationError


@given(secret=st.binary(min_size=1, max_size=100), data=st.binary(max_size=300))
def test_the_mac_is_hmac_sha256_under_the_derived_key(secret: bytes, data: bytes) -> None:
    derived = hmac.digest(secret, b"llm-gateway audit rows", "sha256")
    assert AuditKey(secret).mac(data) == hmac.digest(derived, data, "sha256")


def test_a_key_shows_nothing_of_itself() -> None:
    key = AuditKey.of_text("correct horse battery staple, twice over")
    assert repr(key) == f"AuditKey({key.key_id})"
    assert len(key.key_id) == 16
    assert key.key_id != OTHER_KEY.key_id


def test_a_short_key_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="at least 32 characters") as raised:
        AuditKey.of_text("hunter2")
    assert "hunter2" not in str(raised.value)


def test_white_space_around_a_key_does_not_matter() -> None:
    text = "x" * 40
    assert AuditKey.of_text(text + "\n").key_id == AuditKey.of_text(text).key_id


def test_a_content_digest_needs_the_key() -> None:
    assert KEY.content_digest(b"fingerprint") == KEY.content_digest(b"fingerprint")
    assert KEY.content_digest(b"fingerprint") != OTHER_KEY.content_digest(b"fingerprint")
    assert len(KEY.content_digest(b"fingerprint")) == 32


def test_rows_follow_each_other() -> None:
    chain = Chain("c", KEY)
    rows = chain.link([anchor([]), intent(1)])
    rows += chain.link([outcome(1)])
    assert [row.seq for row in rows] == [0, 1, 2]
    assert rows[0].prev == NO_MAC
    assert [row.prev for row in rows[1:]] == [row.mac for row in rows[:-1]]
    assert all(KEY.mac(canonical(row)) == row.mac for row in rows)


def test_how_rows_are_batched_makes_no_difference() -> None:
    entries = [anchor([]), intent(1), intent(2), outcome(1), outcome(2)]
    at_once = Chain("c", KEY).link(entries)
    one_by_one = Chain("c", KEY)
    assert at_once == [row for entry in entries for row in one_by_one.link([entry])]


def test_the_head_knows_the_oldest_intent_without_an_outcome() -> None:
    chain = Chain("c", KEY)
    rows = chain.link([anchor([]), intent(1), intent(2), intent(1), outcome(2)])
    assert chain.head(rows[-1]).oldest_open == 1
    rows = chain.link([outcome(1)])
    assert chain.head(rows[-1]).oldest_open == 6
    assert chain.head(rows[-1], "closed").state == "closed"


def test_a_seal_is_for_one_record_and_one_key() -> None:
    (row,) = Chain("c", KEY).link([anchor([])])
    head, checkpoint = make_head(KEY, row, 1), make_checkpoint(KEY, row, 5)
    assert is_sealed(KEY, head)
    assert is_sealed(KEY, checkpoint)
    assert not is_sealed(OTHER_KEY, head)
    for field, value in (
        ("chain", "d"),
        ("seq", 1),
        ("mac", b"x" * 32),
        ("at_us", 7),
        ("oldest_open", 0),
        ("state", "closed"),
        ("seal", b""),
    ):
        assert not is_sealed(KEY, head._replace(**{field: value})), field
    assert not is_sealed(KEY, checkpoint._replace(seq=1))
    assert not is_sealed(KEY, head._replace(seal="text"))  # type: ignore[arg-type]


def test_a_changed_record_gets_no_new_seal() -> None:
    (row,) = Chain("c", KEY).link([anchor([])])
    head = make_head(KEY, row, 1)
    closed = resealed(KEY, head, state="closed")
    assert closed.state == "closed"
    assert is_sealed(KEY, closed)
    with pytest.raises(TamperedRecord):
        resealed(KEY, head._replace(seq=4), state="closed")


def test_a_content_digest_is_the_same_however_many_came_between() -> None:
    made = [KEY.content_digest(b"%d" % number) for number in range(2 * MOST_RECENT + 1)]
    assert [KEY.content_digest(b"%d" % number) for number in range(2 * MOST_RECENT + 1)] == made
    assert len(set(made)) == len(made)
    fresh = AuditKey(b"another's secret")
    assert made[0] != fresh.content_digest(b"0")
