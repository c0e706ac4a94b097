from llm_gateway.simulator.exchange import Request
from llm_gateway.simulator.world import REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, World


def test_what_is_left_counts_down_within_a_minute_and_starts_anew() -> None:
    now = [120.0]
    world = World(lambda: now[0])
    assert world.remaining("openai", 10) == (REQUESTS_PER_MINUTE - 1, TOKENS_PER_MINUTE - 10, 60.0)
    now[0] = 150.0
    assert world.remaining("openai", 5) == (REQUESTS_PER_MINUTE - 2, TOKENS_PER_MINUTE - 15, 30.0)
    assert world.remaining("grok", 0)[0] == REQUESTS_PER_MINUTE - 1
    now[0] = 180.0
    assert world.remaining("openai", 1) == (REQUESTS_PER_MINUTE - 1, TOKENS_PER_MINUTE - 1, 60.0)


def test_a_prompt_beginning_is_known_the_second_time_under_its_own_scope() -> None:
    world = World()
    assert [world.seen("m", b"x"), world.seen("m", b"x"), world.seen("n", b"x")] == [False, True, False]
    world.forget_prefixes()
    assert not world.seen("m", b"x")


def test_keys_and_models() -> None:
    world = World()
    assert world.accepts_key("openai", "")
    assert world.knows_model("openai", "anything")
    world.keys["openai"] = ("sk-1",)
    world.only_known_models = True
    assert [world.accepts_key("openai", key) for key in ("sk-1", "sk-2", "")] == [True, False, False]
    assert [world.knows_model("ollama", name) for name in ("llama3.2", "llama3.2:latest", "other")] == [True, True, False]


def test_identifiers_are_the_requests_number_and_times_are_rfc_3339() -> None:
    world = World(lambda: 0.5)
    assert world.identifier("req_", Request("openai", 255, "GET", "/", "/", [], b"", 0.0), 4) == "req_00ff"
    assert world.iso() == "1970-01-01T00:00:00.500000Z"
    assert world.iso(60) == "1970-01-01T00:01:00.500000Z"
