import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.core.errors import (
    ProviderBadResponse,
    ProviderInvalidRequest,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimeout,
    ProviderUnavailable,
)
from llm_gateway.routing.health import MAX_COOLDOWN_S, STALE_S, Admission, House, Lane, Pace, Policy, settle_failure, status_of, why_not

POLICY = Policy(breaker_failures=3, open_s=10.0, open_max_s=35.0)
STEPS = st.lists(
    st.tuples(st.sampled_from(["admit", "succeed", "fail", "release", "answer", "wake"]), st.floats(0, 30), st.integers(0, 50)),
    max_size=120,
)


def fail(lane: Lane, now_s: float, times: int = 1) -> None:
    for _ in range(times):
        lane.failed(lane.admit(now_s), now_s)


class TestBreaker:
    @given(STEPS)
    def test_no_schedule_has_two_trial_calls_out_or_sends_into_an_open_circuit(self, steps: list[tuple[str, float, int]]) -> None:
        lane, now_s = Lane(POLICY), 0.0
        out: list[tuple[Admission, bool]] = []
        for step, wait_s, which in steps:
            now_s += wait_s
            if step == "admit":
                open_until_s = lane.open_until_s
                admission = lane.admit(now_s)
                if open_until_s is not None:
                    assert admission is not Admission.NORMAL
                    assert now_s >= open_until_s or admission is Admission.REFUSED
                if admission is not Admission.REFUSED:
                    out.append((admission, False))
            elif step == "wake":
                lane.reopen_early(now_s)
            elif out:
                admission, answered = out.pop(which % len(out))
                if step == "answer":
                    lane.answered(admission)
                    out.append((Admission.NORMAL if admission is Admission.TRIAL else admission, True))
                elif step == "succeed":
                    lane.succeeded(admission, now_s)
                elif step == "fail":
                    lane.failed(admission, now_s)
                elif not answered:
                    lane.released(admission)
            assert sum(admission is Admission.TRIAL for admission, _ in out) <= 1
        for admission, _ in out:
            lane.released(admission)
        # Whatever happened: after the longest rest the lane can be asked again, by one at a time.
        now_s += POLICY.open_max_s
        assert lane.admit(now_s) is not Admission.REFUSED

    def test_failures_must_be_in_a_row(self) -> None:
        lane = Lane(POLICY)
        fail(lane, 0.0, 2)
        lane.succeeded(lane.admit(0.0), 0.0)
        fail(lane, 0.0, 2)
        assert lane.admit(0.0) is Admission.NORMAL
        fail(lane, 0.0)
        assert lane.closed_to(4.0) == pytest.approx(6.0)

    def test_rests_double_up_to_the_cap_and_begin_anew_after_a_success(self) -> None:
        lane, now_s = Lane(POLICY), 0.0
        fail(lane, now_s, 3)
        rests = []
        for _ in range(4):
            rest_s = lane.closed_to(now_s)
            assert rest_s is not None
            rests.append(rest_s)
            now_s += rest_s
            fail(lane, now_s)
        assert rests == [10.0, 20.0, 35.0, 35.0]
        now_s += 35.0
        lane.succeeded(lane.admit(now_s), now_s)
        fail(lane, now_s, 3)
        assert lane.closed_to(now_s) == 10.0

    def test_a_trial_call_that_answers_and_then_breaks_off_opens_again_at_once(self) -> None:
        lane = Lane(POLICY)
        fail(lane, 0.0, 3)
        trial = lane.admit(10.0)
        lane.answered(trial)
        assert lane.closed_to(10.0) is None
        lane.failed(trial, 11.0)
        assert lane.closed_to(11.0) == 20.0

    def test_late_failures_of_calls_from_before_do_not_prolong_the_rest(self) -> None:
        lane = Lane(POLICY)
        early = [lane.admit(0.0) for _ in range(6)]
        for admission in early:
            lane.failed(admission, 0.0)
        lane.failed(early[0], 9.0)
        assert lane.closed_to(9.0) == 1.0

    def test_a_trial_call_without_verdict_makes_room_for_another(self) -> None:
        lane = Lane(POLICY)
        fail(lane, 0.0, 3)
        assert lane.admit(10.0) is Admission.TRIAL
        assert (lane.admit(10.0), lane.closed_to(10.0)) == (Admission.REFUSED, 0.0)
        lane.released(Admission.TRIAL)
        assert lane.admit(10.0) is Admission.TRIAL


class TestPace:
    @given(st.floats(0, 10), st.floats(0, 0.1))
    def test_it_finds_base_and_slope(self, base_s: float, slope: float) -> None:
        pace = Pace()
        for size in (10, 100, 400, 30, 250):
            pace.add(base_s + slope * size, size, 0.0)
        assert pace.predict_s(200, 1.0) == pytest.approx(base_s + slope * 200, rel=1e-3, abs=1e-3)

    @given(st.lists(st.tuples(st.floats(0, 600), st.integers(0, 200_000)), max_size=60), st.integers(0, 200_000))
    def test_it_never_predicts_a_negative_or_undefined_time(self, calls: list[tuple[float, int]], size: int) -> None:
        pace = Pace()
        for duration_s, done in calls:
            pace.add(duration_s, done, 0.0)
            predicted = pace.predict_s(size, 0.0)
            assert predicted is not None
            assert predicted >= 0.0
            assert predicted < 1e15

    def test_long_answers_are_not_slow_answers(self) -> None:
        lane = Lane(POLICY)
        for turn in range(40):
            tokens = 2_000 if turn % 7 == 0 else 20
            lane.measured(lane.total, 0.2 + tokens * 0.01, tokens, 0.0)
        assert lane.ejected_until_s < 0

    def test_it_is_forgotten_after_a_while(self) -> None:
        pace = Pace()
        assert pace.predict_s(1, 0.0) is None
        pace.add(1.0, 1, 0.0)
        assert pace.predict_s(1, STALE_S) == pytest.approx(1.0)
        assert pace.predict_s(1, STALE_S + 1) is None


class TestOutliers:
    def test_a_brown_out_is_ejected_for_one_window(self) -> None:
        lane = Lane(POLICY)
        for _ in range(20):
            lane.measured(lane.total, 0.1, 50, 0.0)
        for calls in (1, 2):
            lane.measured(lane.total, 2.0, 50, 5.0)
            assert lane.ejected_until_s < 0, calls
        lane.measured(lane.total, 2.0, 50, 5.0)
        assert lane.ejected_until_s == 15.0

    def test_one_slow_call_is_no_brown_out(self) -> None:
        lane = Lane(POLICY)
        for turn in range(60):
            lane.measured(lane.total, 5.0 if turn % 3 == 2 else 0.1, 50, 0.0)
        assert lane.ejected_until_s < 0

    def test_flapping_is_ejected_though_failures_never_come_in_a_row(self) -> None:
        lane = Lane(POLICY)
        for turn in range(30):
            admission = lane.admit(0.0)
            (lane.failed if turn % 2 else lane.succeeded)(admission, 0.0)
        assert lane.open_until_s is None
        assert lane.ejected_until_s == 10.0

    def test_the_error_rate_fades_while_nobody_asks(self) -> None:
        lane = Lane(POLICY)
        fail(lane, 0.0, 2)
        assert lane.error_rate(60.0) == pytest.approx(lane.error_rate(0.0) / 2)


class TestBlame:
    def settle(self, error) -> tuple[Lane, House]:
        lane, house = Lane(Policy(breaker_failures=1)), House(POLICY)
        settle_failure(lane, house, lane.admit(0.0), error, 0.0, has_probe=True)
        return lane, house

    def test_outages_are_the_lane_s(self) -> None:
        missing = ProviderRejected("no such model", upstream_status=404)
        for error in (ProviderTimeout("late"), ProviderUnavailable("down"), ProviderBadResponse("bad"), missing):
            lane, house = self.settle(error)
            assert (lane.open_until_s is not None, house.quarantine) == (True, "")

    def test_refused_content_is_nobody_s(self) -> None:
        lane, _ = self.settle(ProviderInvalidRequest("rude", upstream_status=400))
        assert lane.open_until_s is None
        assert lane.error_rate(0.0) == 0.0

    def test_a_refused_key_is_the_house_s(self) -> None:
        lane, house = self.settle(ProviderRejected("key", upstream_status=401))
        assert (lane.open_until_s, house.quarantined(1e9)) == (None, True)
        assert house.checked(alive=True, wall_s=1.0)
        assert not house.quarantined(0.0)

    def test_without_a_health_check_quarantine_ends_by_itself(self) -> None:
        house = House(POLICY)
        house.refused_us("key", 0.0, has_probe=False)
        assert (house.quarantined(34.0), house.quarantined(35.0)) == (True, False)

    def test_a_rate_limit_cools_the_house_within_bounds(self) -> None:
        for given_s, rest_s in ((3.0, 3.0), (-5.0, 0.0), (36_000.0, MAX_COOLDOWN_S), (None, 1.0)):
            lane, house = self.settle(ProviderRateLimited("limit", retry_after_s=given_s))
            assert (lane.open_until_s, house.cooled_until_s, house.at_limit) == (None, rest_s, True)

    def test_limits_in_a_row_without_a_time_cool_longer_and_a_shorter_rest_never_ends_a_longer(self) -> None:
        house = House(POLICY)
        for expected_s in (1.0, 2.0, 4.0):
            house.limited(None, 0.0)
            assert house.cooled_until_s == expected_s
        house.cool(0.5, 0.0)
        assert house.cooled_until_s == 4.0

    def test_a_retry_after_of_an_outage_is_honoured(self) -> None:
        lane, house = self.settle(ProviderUnavailable("busy", retry_after_s=7.0))
        assert (lane.open_until_s is not None, house.cooled_until_s, house.at_limit) == (True, 7.0, False)


def test_status_in_one_word() -> None:
    house, well, ill = House(POLICY), Lane(POLICY), Lane(POLICY)
    fail(ill, 0.0, 3)
    assert status_of(house, [], 0.0) == status_of(house, [well], 0.0) == "available"
    assert (status_of(house, [well, ill], 0.0), why_not(house, [well, ill], 0.0)) == ("degraded", "its calls kept failing")
    assert status_of(house, [ill], 0.0) == "unavailable"
    house.limited(5.0, 0.0)
    assert (status_of(house, [well], 0.0), why_not(house, [well], 0.0)) == ("degraded", "it is at its rate limit")
    house.checked(alive=False, wall_s=1.0)
    assert status_of(house, [well], 0.0) == "unavailable"
