"""xAI: OpenAI's form with differences of its own.

Source: docs.x.ai (chat completions, cost tracking: 10^10 ticks are one USD); the wrong-key answer is a 400 with a plain
string as `error`. Reasoning tokens stand beside the completion's, not in them, and are part of the total.
"""

from llm_gateway.simulator.dialects.base import bearer, masked
from llm_gateway.simulator.dialects.openai import OpenAi
from llm_gateway.simulator.dialects.openai_other import models, one_model
from llm_gateway.simulator.exchange import Answer, Bill, JsonObject, Kind, Refused, Request, encode
from llm_gateway.simulator.mind import Completion, Prompt

TICKS_PER_USD = 10_000_000_000
# USD per million tokens (input, output); a cached input token costs a quarter
_PRICES = {"grok-4": (3.0, 15.0), "grok-4-fast": (0.2, 0.5), "grok-3": (3.0, 15.0), "grok-3-mini": (0.3, 0.5)}
_CODES = {
    400: "Client specified an invalid argument",
    401: "The caller does not have valid authentication credentials",
    403: "The caller does not have permission to execute the specified operation",
    404: "Some requested entity was not found",
    422: "Failed to deserialize the JSON body into the target type",
    429: "Some resource has been exhausted",
    503: "The service is currently unavailable",
}


def cost_ticks(charged: Bill) -> int:
    """What xAI charges for an answer, in 10^-10 USD; a model without a listed price costs as grok-4."""
    family = max((name for name in _PRICES if charged.model.startswith(name)), key=len, default="grok-4")
    price_in, price_out = _PRICES[family]
    usd_per_million = (charged.input_tokens - charged.cache_read_tokens * 0.75) * price_in + charged.output_tokens * price_out
    return round(usd_per_million * TICKS_PER_USD / 1_000_000)


class Grok(OpenAi):
    """xAI under `/v1`: chat completions and models."""

    kind: Kind = "grok"
    owner = "xai"

    def answer(self, request: Request) -> Answer:
        if request.method == "POST" and request.path != "/v1/chat/completions":
            raise Refused(404, "The requested resource was not found. Please check the URL and try again.")
        if request.path in ("/v1/language-models", "/v1/api-key"):
            self.authenticate(request)
            return models(self.world, self.kind, self.owner)
        if request.method != "POST" and request.path.startswith("/v1/models/"):
            self.authenticate(request)
            return one_model(self.world, self.kind, request.path.removeprefix("/v1/models/"), self.owner)
        return super().answer(request)

    def authenticate(self, request: Request) -> None:
        key = bearer(request)
        if self.world.accepts_key(self.kind, key):
            return
        if not key:
            raise Refused(401, "No API key provided. Specify it in the Authorization header.")
        shown = key if "echo_key" in request.quirks else masked(key)
        raise Refused(400, f"Incorrect API key provided: {shown}. You can obtain an API key from https://console.x.ai.")

    def _error(self, refused: Refused) -> JsonObject:
        return {"code": _CODES.get(refused.status, "Internal error"), "error": refused.message}

    def refusal(self, request: Request, refused: Refused) -> Answer:
        answer = Answer(refused.status, "application/json", [encode(self._error(refused))])
        answer.headers = (("x-request-id", self.world.identifier("", request, 32)),)
        return answer

    def check(self, body: JsonObject, prompt: Prompt) -> None:
        prompt.thinking = "non-reasoning" not in prompt.model and (prompt.model.startswith("grok-4") or prompt.model.endswith("-mini"))
        if prompt.thinking:
            for field in ("stop", "frequency_penalty", "presence_penalty"):
                if body.get(field) not in (None, []):
                    raise Refused(400, f"Argument not supported on this model: {field}")
        if body.get("reasoning_effort") is not None and not prompt.model.endswith("-mini"):
            raise Refused(400, f"Model {prompt.model} does not support parameter reasoningEffort.")

    def usage(self, charged: Bill) -> JsonObject:
        return {
            "prompt_tokens": charged.input_tokens,
            "completion_tokens": charged.output_tokens - charged.reasoning_tokens,
            "total_tokens": charged.input_tokens + charged.output_tokens,
            "prompt_tokens_details": {
                "text_tokens": charged.input_tokens,
                "audio_tokens": 0,
                "image_tokens": 0,
                "cached_tokens": charged.cache_read_tokens,
            },
            "completion_tokens_details": {
                "reasoning_tokens": charged.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "num_sources_used": 0,
            "cost_in_usd_ticks": cost_ticks(charged),
        }

    def message_extras(self, completion: Completion) -> JsonObject:
        extras: JsonObject = {"refusal": None}
        if completion.thoughts:
            extras["reasoning_content"] = completion.thoughts
        return extras

    def shown_thoughts(self, completion: Completion) -> str:
        return completion.thoughts

    def envelope(self, request: Request, prompt: Prompt, object_name: str) -> JsonObject:
        return {
            "id": self.world.identifier("", request, 32),
            "object": object_name,
            "created": int(self.world.wall_s()),
            "model": prompt.model,
            "system_fingerprint": "fp_simulated",
        }

    def standing_headers(self, request: Request, charged: Bill | None) -> tuple[tuple[str, str], ...]:
        own = (name_value for name_value in super().standing_headers(request, charged) if not name_value[0].startswith("openai-"))
        return tuple(own)
