"""OpenAI's legacy completions: a prompt and the text that follows it, over chat models.

Source: OpenAI's API reference, "Create completion". No provider is asked in this form: each prompt becomes a user message, so
`suffix`, `best_of` and prompts of token numbers, which only a completion model can serve, are refused.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from llm_gateway.core.errors import InvalidRequest
from llm_gateway.core.types import ChatRequest, Chunk, FinishReason, Json, JsonObject, Message, Usage

AUTO: Final = "auto"
MAX_PROMPTS: Final = 128
DONE: Final = b"data: [DONE]\n\n"
_FINISH: Final = {FinishReason.LENGTH: "length", FinishReason.CONTENT_FILTER: "content_filter"}
_encode = msgspec.json.Encoder().encode


class CompletionBody(msgspec.Struct, frozen=True):
    """`POST /v1/completions`."""

    prompt: str | Annotated[list[str | int | list[int]], Meta(min_length=1, max_length=MAX_PROMPTS)]
    model: str | None = None
    stream: bool | None = None
    stream_options: JsonObject | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    echo: bool | None = None
    user: str | None = None
    suffix: str | None = None
    best_of: int | None = None
    logit_bias: dict[str, float] | None = None

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.get("include_usage"))


def completion_requests(body: JsonObject) -> tuple[CompletionBody, list[ChatRequest]]:
    """The canonical requests of a body, one for each prompt.

    Raises:
        msgspec.ValidationError: a field has the wrong type, or is out of range.
        InvalidRequest: it asks for what only a completion model can do; `param` names the field.
    """
    said = msgspec.convert(body, CompletionBody)
    prompts = [said.prompt] if isinstance(said.prompt, str) else said.prompt
    texts = [prompt for prompt in prompts if isinstance(prompt, str)]
    if len(texts) != len(prompts):
        raise InvalidRequest("prompt: expected text; token numbers cannot be sent to chat models", param="prompt")
    for name in ("suffix", "logit_bias"):
        if getattr(said, name):
            raise InvalidRequest(f"{name}: chat models, which answer here, do not take it", param=name)
    if said.best_of is not None and said.best_of != (said.n or 1):
        raise InvalidRequest("best_of: expected the same as n; answers are not ranked here", param="best_of")
    return said, [_request(said, text) for text in texts]


def _request(said: CompletionBody, prompt: str) -> ChatRequest:
    stop = said.stop
    return ChatRequest(
        messages=(Message("user", prompt),),
        model=None if said.model in {None, "", AUTO} else said.model,
        stream=bool(said.stream),
        temperature=said.temperature,
        top_p=said.top_p,
        max_tokens=said.max_tokens,
        stop=() if stop is None else (stop,) if isinstance(stop, str) else tuple(stop),
        seed=said.seed,
        n=said.n or 1,
        frequency_penalty=said.frequency_penalty or None,
        presence_penalty=said.presence_penalty or None,
        logprobs=said.logprobs is not None,
        top_logprobs=said.logprobs,
        end_user=said.user,
    )


class Completion:
    """Writes the answers to one body's prompts: `choice` for whole ones, `event` for pieces. `created_s` is Unix seconds.

    Choices are numbered through: prompt p with n answers each has those from p * n on.
    """

    def __init__(self, said: CompletionBody, answer_id: str, created_s: int) -> None:
        self._said = said
        self._id = answer_id
        self._created_s = created_s
        self._n = said.n or 1
        self._begun: set[int] = set()
        self._offsets: dict[int, int] = {}

    def choices(self, place: int, prompt: str, chunks: Sequence[Chunk]) -> list[Json]:
        """The finished choices of the prompt at `place`."""
        by_choice: dict[int, list[Chunk]] = {}
        for chunk in chunks:
            by_choice.setdefault(chunk.choice, []).append(chunk)
        return [self._whole(place * self._n + index, prompt, mine) for index, mine in sorted(by_choice.items())]

    def _whole(self, index: int, prompt: str, chunks: Sequence[Chunk]) -> JsonObject:
        choice: JsonObject = self._choice(index, prompt, Chunk())
        choice["text"] = str(choice["text"]) + "".join([chunk.text for chunk in chunks])
        for chunk in chunks:
            if chunk.finish_reason is not None:
                choice["finish_reason"] = _FINISH.get(chunk.finish_reason, "stop")
            if chunk.logprobs is not None:
                choice["logprobs"] = self._logprobs(index, chunk.logprobs)
        return choice

    def _choice(self, index: int, prompt: str, chunk: Chunk) -> JsonObject:
        opening = prompt if self._said.echo and index not in self._begun else ""
        self._begun.add(index)
        self._offsets.setdefault(index, len(opening))
        finish = chunk.finish_reason
        return {
            "index": index,
            "text": opening + chunk.text,
            "logprobs": self._logprobs(index, chunk.logprobs) if chunk.logprobs is not None else None,
            "finish_reason": None if finish is None else _FINISH.get(finish, "stop"),
        }

    def event(self, place: int, prompt: str, chunk: Chunk, model: str) -> bytes:
        """One piece of an answer as an event; none where it says nothing here."""
        if not chunk.text and chunk.finish_reason is None:
            return b""
        return self._event([self._choice(place * self._n + chunk.choice, prompt, chunk)], model, None)

    def _event(self, choices: list[Json], model: str, usage: Usage | None) -> bytes:
        document = self._document(choices, model)
        if self._said.include_usage:
            document["usage"] = None if usage is None else _usage(usage)
        return b"data: " + _encode(document) + b"\n\n"

    def end(self, model: str, usage: Usage | None) -> bytes:
        """The end of a stream that came to its end."""
        if self._said.include_usage and usage is not None:
            return self._event([], model, usage) + DONE
        return DONE

    def whole(self, choices: list[Json], model: str, usage: Usage | None) -> bytes:
        """The unstreamed answer."""
        document = self._document(choices, model)
        if usage is not None:
            document["usage"] = _usage(usage)
        return _encode(document)

    def _document(self, choices: list[Json], model: str) -> JsonObject:
        return {"id": self._id, "object": "text_completion", "created": self._created_s, "model": model, "choices": choices}

    def _logprobs(self, index: int, said: Json) -> Json:
        """Chat's list of tokens as this wire's four lists."""
        content = said.get("content") if isinstance(said, dict) else None
        if not isinstance(content, list):
            return None
        tokens: list[Json] = []
        own: list[Json] = []
        top: list[Json] = []
        offsets: list[Json] = []
        for item in content:
            if not isinstance(item, dict):
                continue
            token = str(item.get("token", ""))
            tokens.append(token)
            own.append(item.get("logprob"))
            others = item.get("top_logprobs")
            top.append({str(o.get("token")): o.get("logprob") for o in others if isinstance(o, dict)} if isinstance(others, list) else None)
            offsets.append(self._offsets.get(index, 0))
            self._offsets[index] = self._offsets.get(index, 0) + len(token)
        return {"tokens": tokens, "token_logprobs": own, "top_logprobs": top, "text_offset": offsets}


def _usage(usage: Usage) -> JsonObject:
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": usage.total_tokens}
