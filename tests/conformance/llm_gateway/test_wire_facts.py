"""What is easily got wrong on each wire, and the cases that hold it: every fact has some, and every case is there.

The cases feed recorded shapes whole, byte by byte and cut anywhere, or go from socket to socket.
"""

import ast
import socket
from functools import cache
from pathlib import Path

import pytest
from tests.support import RunningGateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

TESTS = Path(__file__).parents[2]
SOURCE = Path(__file__).parents[3] / "src" / "llm_gateway"

ANTHROPIC = {
    "message_start's usage is a placeholder; message_delta's is set, not added": (
        "protocols/test_anthropic_answers.py::test_the_start_has_no_usage_it_is_a_placeholder",
        "protocols/test_anthropic_answers.py::test_text",
        "protocols/test_anthropic_answers.py::test_later_counts_replace_earlier_ones_and_cached_tokens_may_come_with_the_last_alone",
    ),
    "usage that a message leaves out is missing, not zero": ("protocols/test_anthropic_answers.py::test_usage_that_is_missing_is_none",),
    "input_tokens leave out cached tokens, prompt_tokens include them, both ways": (
        "protocols/test_anthropic_answers.py::test_document_with_everything",
        "protocols/test_anthropic_egress.py::test_input_tokens_leave_out_cached_ones_and_never_fall_below_nothing",
    ),
    "a content block's index is not a tool's: dense from 0, parallel deltas by index": (
        "protocols/test_anthropic_answers.py::test_tool_index_is_dense_and_parallel_deltas_find_their_call",
    ),
    "a tool without arguments has {}, and input is an object": (
        "protocols/test_anthropic_answers.py::test_a_call_without_arguments_has_an_empty_object",
        "protocols/test_anthropic_messages.py::test_arguments_that_are_no_object_are_refused",
    ),
    "ping says nothing": ("protocols/test_anthropic_answers.py::test_ping_shows_nothing",),
    "thinking, signatures and redacted thinking make the round untouched": (
        "protocols/test_anthropic_answers.py::test_thinking_with_its_signature_and_redacted",
        "protocols/test_anthropic_messages.py::test_thinking_goes_back_untouched_and_only_with_its_signature",
        "test_anthropic_sdk.py::test_thinking_comes_back_signed_and_goes_out_again_as_it_came",
    ),
    "stop reasons, the rare ones too": ("protocols/test_anthropic_answers.py::test_stop_reasons",),
    "529, and an error event inside a 200": (
        "providers/test_anthropic.py::test_errors_by_status_and_inside_a_stream",
        "api/test_anthropic.py::test_overload_is_529_whoever_is_overloaded",
    ),
    "anthropic-ratelimit-* and retry-after pass": ("test_anthropic_sdk.py::test_limits_of_the_provider_pass",),
    "anthropic-beta goes to Anthropic, and to nobody else": (
        "protocols/test_anthropic_ingress.py::test_beta_names_travel_in_the_body_that_is_judged_and_leave_as_a_header",
        "protocols/test_anthropic_ingress.py::test_dropped_fields_by_wire",
        "providers/test_anthropic.py::test_preview_features_that_the_caller_asks_for_are_added_to_the_configured_ones",
    ),
    "cache_control survives": (
        "protocols/test_anthropic_messages.py::test_system_messages_become_blocks_with_their_cache_control",
        "protocols/test_bedrock_converse.py::test_cache_points_follow_what_they_cache",
    ),
    "is_error of a tool's result, system as text, blocks or a turn": (
        "protocols/test_anthropic_messages.py::test_tool_results_and_neighbours_of_one_role_merge",
        "protocols/test_anthropic_ingress.py::test_system_blocks_and_system_turns",
    ),
}
OPENAI = {
    "the usage chunk has no choices, and is shown to those who asked": (
        "protocols/test_openai_reply.py::test_the_usage_chunk_is_shown_only_to_who_asked_for_it",
        "protocols/test_openai_egress.py::test_usage_is_told_only_if_asked_for",
    ),
    "the role in the first delta, one finish reason, [DONE]": (
        "protocols/test_openai_egress.py::test_the_role_stands_in_the_first_piece_of_each_answer_and_nowhere_else",
        "test_openai_sdk.py::test_a_stream_says_the_same",
    ),
    "a cut upstream never ends in a clean [DONE]": (
        "protocols/test_openai_reply.py::test_a_stream_cut_anywhere_before_its_end_is_never_a_clean_one",
        "test_openai_api.py::test_a_stream_that_is_cut_ends_in_an_error_and_not_in_done",
    ),
    "a usage of 0 is not a missing one": ("protocols/test_openai_reply.py::test_counts",),
    "several answers interleave": ("protocols/test_openai_reply.py::test_stream_split_at_random",),
    "malformed tool arguments pass as they are": ("protocols/test_openai_chat.py::test_a_turn_with_calls_and_their_results",),
    "no tool_choice and parallel_tool_calls without tools": (
        "protocols/test_openai_chat.py::test_tool_choice_and_parallel_tool_calls_are_dropped_without_tools",
        "protocols/test_openai_ingress.py::test_what_belongs_to_tools_is_dropped_without_tools",
    ),
    "encoding_format is omitted rather than null": (
        "protocols/test_openai_embeddings.py::test_encoding_format_is_omitted_rather_than_null",
    ),
    "the developer role": ("protocols/test_openai_ingress.py::test_developer_speaks_as_system",),
    "max_completion_tokens, and what reasoning models refuse": (
        "providers/test_openai.py::test_a_reasoning_model_of_the_vendor_gets_its_own_limit_and_no_sampling",
        "protocols/test_openai_ingress.py::test_max_completion_tokens_goes_before_max_tokens",
    ),
    "Responses: typed events with sequence numbers": ("protocols/test_openai_responses_egress.py::test_the_events_add_up_to_the_response",),
    "sealed reasoning comes back unchanged": (
        "protocols/test_openai_responses_ingress.py::test_a_sealed_block_comes_back_unchanged",
        "protocols/test_openai_responses_egress.py::test_what_must_come_back_is_kept_and_shown_only_if_asked_for",
    ),
}
BEDROCK = {
    "binary frames with two checksums, cut anywhere": (
        "protocols/test_aws_eventstream.py::test_any_cut_gives_the_same_frames_as_botocore",
        "protocols/test_aws_eventstream.py::test_any_damaged_byte_is_noticed",
    ),
    "usage comes after messageStop": (
        "protocols/test_bedrock_converse_reply.py::test_text_needs_no_start_block_and_usage_comes_after_the_stop",
    ),
    "exceptions in a stream have the status they have elsewhere": (
        "protocols/test_bedrock_errors.py::test_streams_give_exceptions_the_status_they_have_elsewhere",
        "providers/test_bedrock.py::test_text_before_an_exception_is_not_lost",
    ),
    "a 200 without output": ("protocols/test_bedrock_converse_reply.py::test_a_200_without_output_is_a_bad_response",),
    "no wait is told of, and no model": (
        "protocols/test_bedrock_errors.py::test_retry_after",
        "test_openai_sdk.py::test_chat",
    ),
    "the region of an inference profile stays as it was asked for": (
        "providers/test_bedrock.py::test_where_a_model_runs_stays_as_it_was_asked_for",
    ),
    "the type stands in a header": ("protocols/test_bedrock_errors.py::test_every_type_by_header_body_and_stream",),
    "a block's index is not a tool's": ("protocols/test_bedrock_converse_reply.py::test_tool_indices_are_dense_whatever_the_blocks_are",),
    "tool history needs toolConfig; neighbours of one role merge; names are restricted; no n": (
        "protocols/test_bedrock_converse.py::test_history_with_tools_declares_them_when_the_request_does_not",
        "protocols/test_bedrock_converse.py::test_turns_of_one_role_and_tool_results_merge",
        "protocols/test_bedrock_converse.py::test_document_names_are_allowed_and_unique",
        "protocols/test_bedrock_converse.py::test_what_converse_cannot_say",
    ),
    "the model is encoded once in the path, twice in the signature; Host is signed as sent": (
        "protocols/test_aws_sigv4.py::test_the_model_is_encoded_once_in_the_path_and_twice_in_the_signature",
        "protocols/test_aws_sigv4.py::test_the_host_is_signed_as_sent",
    ),
}
OLLAMA = {
    "lines, not events; tool calls in intermediate lines, without ids": (
        "protocols/test_ollama_chat.py::test_tool_calls_of_several_lines_are_dense_and_have_ids",
        "protocols/test_ollama_chat.py::test_any_cut_is_as_whole",
    ),
    "done_reason": ("protocols/test_ollama_chat.py::test_done_reasons",),
    "durations are nanoseconds": ("protocols/test_ollama_egress.py::test_a_stream_in_full",),
    "prompt_eval_count may be missing, which is not 0": ("protocols/test_ollama_chat.py::test_a_missing_count_is_not_zero",),
    "its own wire, with num_ctx and think": (
        "protocols/test_ollama_chat.py::test_loading",
        "protocols/test_ollama_chat.py::test_think",
        "providers/test_ollama.py::test_chat_request",
    ),
    "an error line inside a 200": ("protocols/test_ollama_chat.py::test_an_error_line_comes_after_what_was_said_before_it",),
    "thinking": ("protocols/test_ollama_chat.py::test_thinking",),
    "empty tools are not sent": ("protocols/test_ollama_chat.py::test_empty_tools_are_dropped",),
    "connecting, the first byte and silence have deadlines of their own": (
        "test_provider_router.py::test_deadlines_come_from_the_settings_and_never_exceed_what_is_left",
    ),
}
XAI = {
    "reasoning tokens stand beside the completion's": (
        "protocols/test_openai_reply.py::test_output_always_includes_reasoning_and_is_counted_once",
    ),
    "a usage chunk without choices, and the cost in ticks": (
        "providers/test_grok.py::test_a_stream_ends_with_usage_and_cost",
        "protocols/test_openai_reply.py::test_cost_in_ticks",
    ),
    "finish_reason of tool calls is repaired": (
        "protocols/test_openai_reply.py::test_a_missing_finish_reason_is_repaired_and_the_broken_bytes_are_not_passed_on",
    ),
    "a wrong key is a 400 with a string that may echo it": (
        "providers/test_grok.py::test_a_wrong_key_is_a_400_with_a_string_that_may_echo_it",
    ),
    "a search costs extra": ("providers/test_grok.py::test_what_a_search_cost_is_within_what_the_vendor_says",),
    "reasoning models refuse stop and penalties": ("providers/test_grok.py::test_reasoning_models_refuse_stop_and_penalties",),
}
ERRORS = {
    "a provider that does not answer is 504, one that cannot be reached 502": (
        "test_native_api.py::test_a_provider_that_never_answers_is_504",
        "transport/test_pool.py::test_a_closed_port_fails_at_once",
    ),
    "a provider's own words pass, its keys do not": (
        "protocols/test_openai_http.py::test_a_refusal_of_the_content_carries_the_providers_own_words",
        "protocols/test_openai_http.py::test_an_echo_of_a_key_or_an_account_is_redacted",
    ),
    "the gateway's own 429 says when to come back": (
        "test_openai_sdk.py::test_a_callers_own_limit",
        "test_limits.py::test_every_model_call_says_where_its_caller_stands",
    ),
    "an exhausted budget is asked of once": (
        "test_openai_sdk.py::test_an_exhausted_budget_is_asked_of_once_and_a_slow_provider_times_out",
        "test_javascript.py::test_errors_are_of_the_class_that_the_package_promises",
    ),
    "a caller who leaves ends the call upstream, and blames nobody": (
        "test_native_api.py::test_a_caller_who_leaves_ends_the_call_upstream",
        "test_provider_router.py::test_a_reader_who_leaves_pays_for_what_was_delivered",
    ),
    "errors have the ingress's shape, inside a stream too": (
        "api/test_openai_errors.py::test_an_error_within_a_stream_is_an_event_without_done",
        "test_matrix.py::test_the_page_is_as_it_would_be_made_now",
        "api/test_unknown.py::test_errors_have_the_shape_of_the_dialect",
    ),
    "no other answers after the first byte; a fall-back stays within the clearance": (
        "test_provider_router.py::test_after_the_first_content_nobody_else_is_asked",
        "test_provider_router.py::test_no_fallback_leaves_the_clearance",
    ),
    "nothing is held back on the way": (
        "test_wire_facts.py::test_nothing_between_buffers_a_stream_and_no_framing_is_copied",
        "test_wire_facts.py::test_small_pieces_are_sent_at_once",
        "transport/test_pool.py::test_small_pieces_are_sent_at_once",
    ),
    "no middleware hides that a caller left": ("test_wire_facts.py::test_no_middleware_hides_that_a_caller_left",),
    "attempts are told of, and a caller's deadline holds": (
        "test_wire_facts.py::test_attempts_are_counted_and_the_providers_id_is_told",
        "test_wire_facts.py::test_a_caller_may_say_how_long_it_waits",
    ),
    "framing and hop-by-hop headers are the transport's own": ("transport/test_head.py::test_framing_is_ours_alone",),
}
FACTS = {**ANTHROPIC, **OPENAI, **BEDROCK, **OLLAMA, **XAI, **ERRORS}


@cache
def cases(path: Path) -> frozenset[str]:
    """The tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_has_its_cases(fact: str) -> None:
    for case in FACTS[fact]:
        file, _, name = case.partition("::")
        found = [path for path in TESTS.rglob(Path(file).name) if path.as_posix().endswith("/" + file)]
        assert any(name in cases(path) for path in found), f"{case} is gone: what holds this now?"


def test_no_middleware_hides_that_a_caller_left() -> None:
    """Starlette's `BaseHTTPMiddleware` keeps `http.disconnect` from what it wraps."""
    assert not [path for path in SOURCE.rglob("*.py") if "BaseHTTPMiddleware" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/stream"])
def test_nothing_between_buffers_a_stream_and_no_framing_is_copied(open_gateway: RunningGateway, path: str) -> None:
    body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20, "stream": True}
    answer = open_gateway.call("POST", path, {"prompt": "hello", "provider": "openai"} if path == "/stream" else body)
    assert answer.status == 200
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["cache-control"] == "no-store"
    assert not {"content-encoding", "content-length", "openai-organization", "set-cookie"} & answer.headers.keys()


def test_small_pieces_are_sent_at_once(open_gateway: RunningGateway) -> None:
    with socket.create_connection(("127.0.0.1", open_gateway.port)) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        served = [connection.transport.get_extra_info("socket") for connection in list(open_gateway.server.server_state.connections)]
        assert served
        assert all(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in served)


def test_attempts_are_counted_and_the_providers_id_is_told(open_gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(kind="openai", method="POST", status=500, nth=1))
    answer = open_gateway.post("/v1/chat/completions", model="openai/gpt-4o", messages=[{"role": "user", "content": "hello"}])
    assert (answer.status, answer.headers["x-gateway-attempts"]) == (200, "2")
    assert answer.headers["x-gateway-upstream-request-id"].startswith("req_")
    simulator.add_faults(FaultRule(kind="openai", method="POST", status=400, headers={"x-request-id": "req_refused"}))
    refused = open_gateway.post("/v1/chat/completions", model="openai/gpt-4o", messages=[{"role": "user", "content": "hello"}])
    assert (refused.status, refused.headers["x-gateway-attempts"]) == (400, "1")


def test_a_caller_may_say_how_long_it_waits(open_gateway: RunningGateway, simulator: SimulatorProcess) -> None:
    simulator.add_faults(FaultRule(method="POST", delay_s=20))
    hello = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
    late = open_gateway.call("POST", "/v1/chat/completions", hello, {"x-gateway-timeout-s": "0.4"}, timeout_s=10)
    assert late.status == 504
    for nonsense in ("0", "-1", "soon", "nan", "inf"):
        assert open_gateway.call("POST", "/v1/chat/completions", hello, {"x-gateway-timeout-s": nonsense}).status == 400
