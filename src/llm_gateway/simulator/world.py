"""What the simulated vendors share: numbering, the clock, known models and keys, and the memory of cached prompts."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b

from llm_gateway.simulator.exchange import Kind, Request
from llm_gateway.simulator.mind import RecordedReply

REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE = 10_000, 2_000_000
_REMEMBERED_PREFIXES = 4096

MODELS: dict[Kind, tuple[str, ...]] = {
    "ollama": ("llama3.2", "llama3.1:8b", "qwen3:8b", "mistral", "nomic-embed-text", "mxbai-embed-large"),
    "openai": (
        "gpt-5",
        "gpt-5-mini",
        "gpt-4.1",
        "gpt-4.1-mini",
        "gpt-4o",
        "gpt-4o-mini",
        "gpt-3.5-turbo",
        "o3-mini",
        "text-embedding-3-small",
        "text-embedding-3-large",
        "text-embedding-ada-002",
    ),
    "anthropic": ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-3-5-haiku-latest"),
    "bedrock": ("anthropic.claude-3-sonnet-20240229-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", "amazon.titan-text-express-v1"),
    "bedrock_native": (
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "amazon.nova-pro-v1:0",
        "amazon.nova-lite-v1:0",
        "amazon.titan-embed-text-v1",
        "amazon.titan-embed-text-v2:0",
        "cohere.embed-english-v3",
        "cohere.embed-multilingual-v3",
    ),
    "grok": ("grok-4", "grok-4-fast-reasoning", "grok-4-fast-non-reasoning", "grok-3", "grok-3-mini"),
}


class World:
    """State of one simulator. `wall_s` gives Unix seconds. Nothing here depends on a vendor's wire."""

    def __init__(self, wall_s: Callable[[], float] = time.time) -> None:
        self.wall_s = wall_s
        self.models: dict[Kind, tuple[str, ...]] = dict(MODELS)
        self.only_known_models = False
        self.keys: dict[Kind, tuple[str, ...]] = {}
        self.aws_secrets: dict[str, str] = {}
        self.replies: Sequence[RecordedReply] = ()
        self._prefixes: OrderedDict[bytes, None] = OrderedDict()
        self._windows: dict[Kind, tuple[int, int, int]] = {}

    def identifier(self, prefix: str, request: Request, width: int = 24) -> str:
        """An id that no other request of this simulator has: its number, in hexadecimal."""
        return f"{prefix}{request.number:0{width}x}"

    def knows_model(self, kind: Kind, model: str) -> bool:
        """Whether the model exists here; any does, unless only listed ones shall."""
        return not self.only_known_models or model in self.models[kind] or model.removesuffix(":latest") in self.models[kind]

    def accepts_key(self, kind: Kind, key: str) -> bool:
        """Whether the key opens this vendor; any does while none is configured."""
        accepted = self.keys.get(kind)
        return not accepted or key in accepted

    def seen(self, scope: str, prefix: bytes) -> bool:
        """Whether this prompt beginning was sent before under the same scope; from now on it was."""
        digest = blake2b(prefix, digest_size=16, key=scope.encode()[:64]).digest()
        known = digest in self._prefixes
        self._prefixes[digest] = None
        self._prefixes.move_to_end(digest)
        if len(self._prefixes) > _REMEMBERED_PREFIXES:
            self._prefixes.popitem(last=False)
        return known

    def forget_prefixes(self) -> None:
        """Empties the memory behind `seen`."""
        self._prefixes.clear()

    def remaining(self, kind: Kind, tokens: int) -> tuple[int, int, float]:
        """Counts one request of so many tokens; what is left of this minute's requests and tokens, and its seconds.

        These figures feed the vendors' rate-limit headers alone: nothing is refused by them.
        """
        now_s = self.wall_s()
        minute = int(now_s // 60)
        window = self._windows.get(kind)
        requests, used = (window[1] + 1, window[2] + tokens) if window is not None and window[0] == minute else (1, tokens)
        self._windows[kind] = (minute, requests, used)
        return max(0, REQUESTS_PER_MINUTE - requests), max(0, TOKENS_PER_MINUTE - used), (minute + 1) * 60 - now_s

    def iso(self, offset_s: float = 0.0) -> str:
        """Now (plus an offset) as RFC 3339 in UTC with microseconds."""
        return datetime.fromtimestamp(self.wall_s() + offset_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
