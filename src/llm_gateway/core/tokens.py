"""How many tokens a text is, near enough to plan with, and never more than, to reserve with.

No tokenizer is loaded: their vocabularies differ by vendor, weigh tens of megabytes and are fetched from the network.

`estimate_tokens` counts characters by how many bytes UTF-8 needs for them, which separates the scripts at the speed
of C: ASCII runs at four characters a token (the rule of thumb that OpenAI and Anthropic publish for English), two-byte
scripts (accented Latin, Greek, Cyrillic, Hebrew, Arabic) at two, three-byte ones (Chinese, Japanese, Korean, Thai,
Indic) at one, four-byte ones (emoji) at one and a half tokens each. These are published rules of thumb, not figures
fitted to a tokenizer: English prose comes out about right, source code, JSON and digits low by up to a third,
two-byte scripts high on vocabularies of 200,000 entries. What must not be exceeded uses `at_most_tokens`.

`at_most_tokens` is the length in bytes: a byte-level BPE (OpenAI, Anthropic, Llama 3, Qwen, Mistral) spends at least
one byte on each token, so no text can have more tokens than bytes.
"""

from math import ceil
from typing import Final

import msgspec

from llm_gateway.core.types import ChatRequest, Document, Image, Message, Part, Passthrough, Request, Text, Thinking, ToolCall, ToolResult

ASCII_TOKENS_PER_CHARACTER: Final = 0.25
MESSAGE_TOKENS: Final = 4
"""What role and separators of one message cost (OpenAI's cookbook says 3 to 4)."""
AT_MOST_MESSAGE_TOKENS: Final = 16
IMAGE_TOKENS: Final = 1_000
"""A mid-sized picture: OpenAI bills 85 to about 1,500, Anthropic width x height / 750, up to about 1,600."""
LOW_DETAIL_IMAGE_TOKENS: Final = 85
AT_MOST_IMAGE_TOKENS: Final = 4_000
"""Above every documented figure of one picture on a full-size model; vendors publish no hard bound."""
DOCUMENT_BYTES_PER_TOKEN: Final = 20
"""Base64 characters of a PDF for each token that its pages come to, roughly."""

_encode_json = msgspec.json.Encoder().encode


def weigh_tokens(text: str) -> float:
    """The estimate of `estimate_tokens` before rounding up: the parts of a text weigh what the whole weighs."""
    if text.isascii():
        return len(text) * ASCII_TOKENS_PER_CHARACTER
    ascii_characters = len(text.encode("ascii", "ignore"))
    others = len(text) - ascii_characters
    # Lone surrogates cannot be encoded; they count as the three bytes that they would take.
    other_bytes = len(text.encode("utf-8", "surrogatepass")) - ascii_characters
    # Characters of 2, 3 and 4 bytes count 0.5, 1 and 1.5 tokens: half their bytes beyond the first.
    return ascii_characters * ASCII_TOKENS_PER_CHARACTER + (other_bytes - others) * 0.5


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` is; 0 only for the empty text. Costs under 3 us for a kilobyte."""
    return ceil(weigh_tokens(text))


def at_most_tokens(text: str) -> int:
    """A number of tokens that `text` cannot exceed: its length in bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _image_tokens(image: Image, *, bound: bool) -> int:
    if bound:
        return AT_MOST_IMAGE_TOKENS
    return LOW_DETAIL_IMAGE_TOKENS if image.detail == "low" else IMAGE_TOKENS


def _part_tokens(part: Part, *, bound: bool) -> float:
    count = at_most_tokens if bound else weigh_tokens
    match part:
        case Text(text=text):
            return count(text)
        case Image():
            return _image_tokens(part, bound=bound)
        case Document(text=text, data=data, name=name):
            return count(text) + count(name) + (len(data) if bound else len(data) / DOCUMENT_BYTES_PER_TOKEN)
        case ToolCall(name=name, arguments=arguments):
            return count(name) + count(arguments) + MESSAGE_TOKENS
        case ToolResult(content=content):
            return sum(_part_tokens(inner, bound=bound) for inner in content) + MESSAGE_TOKENS
        case Thinking(text=text, redacted=redacted):
            return count(text) + count(redacted)


def _message_tokens(message: Message, *, bound: bool) -> float:
    content = message.content
    if isinstance(content, str):
        return at_most_tokens(content) if bound else weigh_tokens(content)
    return sum(_part_tokens(part, bound=bound) for part in content)


def _extras_tokens(request: ChatRequest, *, bound: bool) -> float:
    """Tool definitions and the answer's schema are sent with every call and billed as input."""
    tokens = 0.0
    for tool in request.tools:
        size_bytes = len(_encode_json(tool))
        tokens += size_bytes + AT_MOST_MESSAGE_TOKENS if bound else size_bytes * ASCII_TOKENS_PER_CHARACTER + MESSAGE_TOKENS
    if request.response_format is not None and request.response_format.json_schema is not None:
        size_bytes = len(_encode_json(request.response_format.json_schema))
        tokens += size_bytes if bound else size_bytes * ASCII_TOKENS_PER_CHARACTER
    return tokens


def _body_bytes(request: Passthrough) -> int:
    """The size of a JSON body; 0 for any other, since nobody counts a file by its tokens."""
    return 0 if request.body is None else len(_encode_json(request.body))


def estimate_plain_tokens(request: ChatRequest) -> int | None:
    """What `estimate_input_tokens` says of a chat that is texts alone and wants a plain answer; None for every other one."""
    native, messages = request.native, request.messages
    if request.tools or request.response_format is not None or request.logprobs or request.n > 1 or (native is not None and native.only):
        return None
    tokens = 0.0
    for message in messages:
        content = message.content
        if not isinstance(content, str):
            return None
        tokens += len(content) * ASCII_TOKENS_PER_CHARACTER if content.isascii() else weigh_tokens(content)
    return ceil(tokens) + MESSAGE_TOKENS * len(messages)


def estimate_input_tokens(request: Request) -> int:
    """About how many tokens a provider will count as this request's input: text, images, documents, tools, schema."""
    if not isinstance(request, ChatRequest):
        if isinstance(request, Passthrough):
            return ceil(_body_bytes(request) * ASCII_TOKENS_PER_CHARACTER)
        return ceil(sum(map(weigh_tokens, request.inputs)))
    tokens = _extras_tokens(request, bound=False)
    for message in request.messages:
        content = message.content
        tokens += weigh_tokens(content) if isinstance(content, str) else _message_tokens(message, bound=False)
    return ceil(tokens) + MESSAGE_TOKENS * len(request.messages)


def at_most_input_tokens(request: Request) -> int:
    """A bound on this request's input tokens, for reservations: exact for text, generous for images."""
    if not isinstance(request, ChatRequest):
        return _body_bytes(request) if isinstance(request, Passthrough) else sum(map(at_most_tokens, request.inputs))
    messages = request.messages
    tokens = 0.0
    for message in messages:
        content = message.content
        if isinstance(content, str):
            tokens += len(content) if content.isascii() else at_most_tokens(content)
        else:
            tokens += _message_tokens(message, bound=True)
    if request.tools or request.response_format is not None:
        tokens += _extras_tokens(request, bound=True)
    return ceil(tokens) + AT_MOST_MESSAGE_TOKENS * len(messages)
