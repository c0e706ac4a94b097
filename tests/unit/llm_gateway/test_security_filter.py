"""What is judged decides where it may go; whatever goes wrong decides for the secure side."""

import time
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import SensitiveContentBlocked
from llm_gateway.core.exchange import Caller, Credentials, Exchange, Reply
from llm_gateway.core.findings import Finding, Sensitivity, combined
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import SecuritySettings
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Image, Message, SecurityLevel, Text
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.security_filter import SCAN_CHARS, SecurityFilter

LOW = Destination("low", "https://low.example", SecurityLevel.LOW)
MEDIUM = Destination("medium", "https://medium.example", SecurityLevel.MEDIUM)
HIGH = Destination("high", "http://127.0.0.1:1", SecurityLevel.HIGH)
OTHER = Destination("other", "http://127.0.0.1:2", SecurityLevel.HIGH)
PLACES = (LOW, MEDIUM, HIGH, OTHER)
SECRET = "Look at this API key: sk-1234567890abcdef"


def inspector(settings: SecuritySettings) -> Inspector:
    return Inspector(settings.sensitive_keywords, settings.rules, settings.sensitivity_threshold)


def a_filter(*, trusted: bool = True, **changes: object) -> SecurityFilter:
    settings = SecuritySettings.model_validate(changes)
    return SecurityFilter(settings, PLACES, inspector(settings), trusted=trusted)


def asking(prompt: str = "hello", caller: str = "u", **fields: object) -> Exchange:
    request = ChatRequest(messages=(Message("user", prompt),), **fields)  # type: ignore[arg-type]
    call = Exchange(request, correlation_id="gw-1", credentials=Credentials(), ingress="native", received_s=0, deadline_s=1)
    call.caller = Caller(caller)
    return call


async def eligible(security: SecurityFilter, call: Exchange) -> set[str]:
    await security.clear(call)
    assert call.clearance is not None
    return {place.provider for place in call.clearance.eligible}


async def test_harmless_content_may_go_anywhere_and_a_secret_to_secure_places() -> None:
    assert await eligible(a_filter(), asking()) == {"low", "medium", "high", "other"}
    assert await eligible(a_filter(), asking(SECRET)) == {"high", "other"}


async def test_a_tainted_conversation_stays_secure() -> None:
    call = asking()
    call.tainted = True
    assert await eligible(a_filter(), call) == {"high", "other"}


async def test_hints_and_caller_levels_raise_and_never_lower() -> None:
    call = asking()
    call.minimum_level = SecurityLevel.MEDIUM
    assert await eligible(a_filter(), call) == {"medium", "high", "other"}
    call = asking(SECRET)
    call.minimum_level = SecurityLevel.LOW
    assert await eligible(a_filter(), call) == {"high", "other"}
    assert await eligible(a_filter(callers={"legal": "high"}), asking(caller="legal")) == {"high", "other"}
    assert await eligible(a_filter(callers={"legal": "low"}), asking(SECRET, caller="legal")) == {"high", "other"}


async def test_secure_only_models_narrow_and_cannot_widen() -> None:
    assert await eligible(a_filter(secure_only_models=("other", "medium")), asking(SECRET)) == {"other"}
    assert await eligible(a_filter(secure_only_models=("medium",)), asking(SECRET)) == set()


async def test_everything_is_sensitive_without_classification_and_with_a_detector_that_failed_its_test() -> None:
    assert await eligible(a_filter(auto_classification=False), asking()) == {"high", "other"}
    assert await eligible(a_filter(trusted=False), asking()) == {"high", "other"}


class Broken:
    version = "broken"

    def judge(self, strings: Sequence[tuple[str, str]]) -> Sensitivity:
        raise ValueError("a rule failed")

    def locate(self, text: str) -> list[tuple[int, int, str]]:
        raise ValueError("a rule failed")


class Slow(Broken):
    def judge(self, strings: Sequence[tuple[str, str]]) -> Sensitivity:
        time.sleep(0.3)  # a thread that is busy, as a long analysis would be
        return Sensitivity(0.0, False)


@pytest.mark.parametrize(("detector", "failed"), [(Broken(), "failed"), (Slow(), "too long")])
async def test_a_detector_that_fails_or_dawdles_makes_the_request_sensitive(detector: Broken, failed: str) -> None:
    settings = SecuritySettings.model_validate({"analysis_timeout_s": 0.05, "analysis_offload_chars": 0})
    security = SecurityFilter(settings, PLACES, detector)  # type: ignore[arg-type]
    call = asking()
    assert await eligible(security, call) == {"high", "other"}
    assert call.sensitivity is not None
    assert failed in call.sensitivity.failed


async def test_what_nobody_can_read_counts_as_sensitive_unless_allowed() -> None:
    picture = Image(
        media_type="image/png", data="iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    call = asking()
    call.request = ChatRequest(messages=(Message("user", (Text("what is this?"), picture)),))
    assert await eligible(a_filter(), call) == {"high", "other"}
    assert await eligible(a_filter(unreadable_parts="allow"), call) == {"low", "medium", "high", "other"}


async def test_policies_block_allow_and_set_levels_by_kind_or_family() -> None:
    with pytest.raises(SensitiveContentBlocked) as refusal:
        await a_filter(policies={"secret": "block"}).clear(asking(SECRET))
    assert "sk-1234" not in refusal.value.message
    assert await eligible(a_filter(policies={"secret": "allow"}), asking(SECRET)) == {"low", "medium", "high", "other"}
    lenient = {"secret": {"action": "route", "minimum_level": "medium"}, "keyword": {"action": "route", "minimum_level": "medium"}}
    assert await eligible(a_filter(policies=lenient), asking(SECRET)) == {"medium", "high", "other"}
    specific = {"secret": "block", "secret.api_key": "route"}
    assert await eligible(a_filter(policies=specific), asking(SECRET)) == {"high", "other"}


async def test_a_kind_that_is_only_mentioned_blocks_nothing() -> None:
    asked = f"What does CONFIDENTIAL mean?\n{SECRET}"
    call = asking(asked)
    assert await eligible(a_filter(policies={"marker": "block", "keyword": "block"}), call) == {"high", "other"}
    assert call.sensitivity is not None
    assert "marker.mention" in call.sensitivity.kinds
    with pytest.raises(SensitiveContentBlocked, match=r"kind: secret\.api_key$"):
        await a_filter(policies={"marker": "block", "secret": "block"}).clear(asking(asked))


async def test_parts_that_nobody_can_read_have_policies_of_their_own() -> None:
    def pointing() -> Exchange:
        call = asking()
        call.request = ChatRequest(messages=(Message("user", (Text("what is this?"), Image(url="https://pictures.example/1.png"))),))
        return call

    assert await eligible(a_filter(policies={"unreadable.remote": "allow"}), pointing()) == {"low", "medium", "high", "other"}
    assert await eligible(a_filter(policies={"unreadable.image": "allow"}), pointing()) == {"high", "other"}
    medium = {"unreadable": {"action": "route", "minimum_level": "medium"}}
    assert await eligible(a_filter(policies=medium), pointing()) == {"medium", "high", "other"}
    with pytest.raises(SensitiveContentBlocked, match=r"unreadable\.remote"):
        await a_filter(policies={"unreadable": "block"}).clear(pointing())


async def test_redacted_values_do_not_leave_and_come_back() -> None:
    security = a_filter(policies={"secret": "redact"})
    call = asking(SECRET)
    seen: list[str] = []

    async def echo(asked: Exchange) -> Reply:
        assert isinstance(asked.request, ChatRequest)
        seen.append(asked.request.messages[0].text())
        return Reply([Chunk(text=f"You said: {seen[0]}", finish_reason=FinishReason.STOP)])

    reply = await security(call, echo)
    answer = "".join([chunk.text for chunk in await reply.collect()])
    assert "sk-1234567890abcdef" not in seen[0]
    assert answer == f"You said: {SECRET}"
    assert call.sensitivity is not None
    assert not call.sensitivity.sensitive


@pytest.mark.parametrize("before", [0, SCAN_CHARS - 30, 3 * SCAN_CHARS])
async def test_a_sensitive_answer_taints_its_conversation_wherever_it_says_it(before: int) -> None:
    call = asking()
    call.conversation_id = "c"
    text = "blah " * (before // 5) + SECRET

    async def chunks() -> AsyncIterator[Chunk]:
        for start in range(0, len(text), 7):
            yield Chunk(text=text[start : start + 7])

    async def upstream(_: Exchange) -> Reply:
        return Reply(chunks())

    reply = await a_filter()(call, upstream)
    assert "".join([chunk.text for chunk in await reply.collect()]) == text
    assert call.tainted


async def test_the_policy_version_follows_what_it_depends_on() -> None:
    versions = {
        a_filter().policy_version,
        a_filter(sensitivity_threshold=0.5).policy_version,
        a_filter(policies={"pii": "block"}).policy_version,
    }
    assert len(versions) == 3
    assert a_filter().policy_version == a_filter().policy_version


FINDINGS = st.lists(st.builds(Finding, kind=st.sampled_from(["a", "b", "c"]), place=st.just("/x"), confidence=st.floats(0, 1)), max_size=6)


@given(FINDINGS, FINDINGS)
def test_more_evidence_never_makes_it_harmless(some: list[Finding], more: list[Finding]) -> None:
    few, many = combined(some, 0.7), combined([*some, *more], 0.7)
    assert many.score >= few.score - 1e-12
    assert many.sensitive or not few.sensitive


@given(kind=st.sampled_from(["a", "b"]), confidence=st.floats(0, 1), times=st.integers(1, 20))
def test_repeating_a_finding_adds_nothing(kind: str, confidence: float, times: int) -> None:
    finding = Finding(kind, "/x", confidence)
    assert combined([finding] * times, 0.7).score == combined([finding], 0.7).score
