"""The Bedrock proxy: one POST of a prompt, one JSON answer without usage.

Form: POST {"model", "prompt", "params"?, "region"?, "format"?} -> {"output", "model", "region"}; GET /health.
"""

from llm_gateway.simulator.dialects.base import bearer, number_between, object_of, stops_of, string_of, whole_number
from llm_gateway.simulator.exchange import Answer, JsonObject, Kind, Refused, Request, body_of, json_answer
from llm_gateway.simulator.mind import Prompt, bill, think
from llm_gateway.simulator.tokens import size_of
from llm_gateway.simulator.world import World

_FIELDS = ("model", "prompt", "params", "region", "format", "title")
_DEFAULT_REGION = "us-east-1"


class BedrockProxy:
    """`/invoke` and `/health`."""

    kind: Kind = "bedrock"

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request) -> Answer:
        if request.method == "GET" and request.path == "/health":
            return json_answer({"status": "healthy", "service": "bedrock-proxy", "simulated": True})
        if request.path != "/invoke":
            raise Refused(404, "Not Found")
        if request.method != "POST":
            raise Refused(405, "Method Not Allowed")
        if not self._world.accepts_key(self.kind, bearer(request) or request.header("x-api-key")):
            raise Refused(401, "Not authenticated")
        return self._invoke(request)

    def refusal(self, request: Request, refused: Refused) -> Answer:
        if refused.param:
            detail: list[JsonObject] = [{"type": "value_error", "loc": ["body", refused.param], "msg": refused.message}]
            return json_answer({"detail": detail}, status=422 if refused.status == 400 else refused.status)
        return json_answer({"detail": refused.message}, status=refused.status)

    def stream_error(self, status: int, message: str) -> bytes:
        return b""

    def _invoke(self, request: Request) -> Answer:
        body = body_of(request)
        for name in body:
            if name not in _FIELDS:
                raise Refused(400, "Extra inputs are not permitted", param=name)
        text = body.get("prompt")
        if not isinstance(text, str):
            raise Refused(400, "Field required", param="prompt")
        model = string_of(body.get("model")) or self._world.models[self.kind][0]
        if not self._world.knows_model(self.kind, model):
            raise Refused(404, f"Model {model} not found")
        params = object_of(body.get("params"))
        number_between(params, "temperature", 0, 1)
        prompt = Prompt(
            self.kind, model, text, size_of(text), max_tokens=whole_number(params, "max_tokens"), stop=stops_of(params.get("stop"))
        )
        shape = body.get("format")
        prompt.json_schema = shape if isinstance(shape, dict) else None
        prompt.json_mode = shape == "json"
        completion = think(prompt, self._world.replies)
        payload = {"output": completion.text, "model": model, "region": string_of(body.get("region")) or _DEFAULT_REGION}
        answer = json_answer(payload, bill=bill(prompt, completion))
        answer.texts = len(completion.text) // 6
        return answer
