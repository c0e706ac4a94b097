"""The port between the router and a provider's translation: values in, values out, no I/O."""

from collections.abc import Mapping
from typing import ClassVar, Protocol, runtime_checkable

import msgspec

from llm_gateway.core.errors import ProviderError
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import Chunk, ModelRequest, Passthrough


class HttpRequest(msgspec.Struct, frozen=True, gc=False):
    """An HTTP request before it is cleared. `url` is absolute and below the provider's origin."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def __repr__(self) -> str:
        """Without headers and body: they hold keys and prompts, and a repr ends up in logs."""
        return f"HttpRequest({self.method} {self.url.partition('?')[0]}, {len(self.headers)} headers, {len(self.body)} bytes)"


class Capabilities(msgspec.Struct, frozen=True):
    """What a provider's protocol can carry; a request that needs more is not sent there."""

    chat: bool = True
    embeddings: bool = False
    tools: bool = True
    images: bool = True
    documents: bool = False
    json_schema: bool = True
    logprobs: bool = False
    choices: bool = False
    """More than one answer (`n`)."""
    passthrough: bool = False
    """Operations that nobody here has words for: it is `Forwarding`."""
    max_temperature: float = 2.0


class Decoder(Protocol):
    """Turns one successful response body into chunks, however its bytes are cut."""

    def feed(self, data: bytes) -> list[Chunk]:
        """Take the next bytes; give what is complete.

        Raises:
            ProviderError: an error event inside a 200 stream, or bytes that are not the protocol.
        """
        ...

    def finish(self) -> list[Chunk]:
        """The body has ended.

        Raises:
            ProviderBadResponse: it ended before the protocol's own end.
        """
        ...


class Provider(Protocol):
    """A configured upstream as a pure translation. One file in `providers/` a kind."""

    kind: ClassVar[str]
    name: str
    destination: Destination
    capabilities: Capabilities

    @property
    def protocol(self) -> str:
        """The wire it speaks (openai, anthropic, ollama, bedrock, bedrock_proxy): a `Native` body of the same name is passed through."""
        ...

    def encode(self, request: ModelRequest, model: str, now_s: float) -> HttpRequest:
        """The request in this provider's words, for one model. `now_s` (Unix seconds) is for signatures.

        Raises:
            InvalidRequest: it asks for something this wire cannot say.
        """
        ...

    def decoder(self, request: ModelRequest, model: str) -> Decoder:
        """A fresh decoder for the answer to `request`."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What a non-2xx answer means. Header names are lower-case."""
        ...

    def probe(self) -> HttpRequest | None:
        """A fixed request that costs nothing and shows whether the upstream lives; None: there is none."""
        ...

    def models(self, body: bytes) -> list[str]:
        """The model names in a successful answer to `probe`; empty when it lists none."""
        ...


@runtime_checkable
class Forwarding(Protocol):
    """A provider to which operations can be passed that nobody here has words for."""

    def forward(self, request: Passthrough) -> HttpRequest:
        """The operation at this provider's base URL, with its key."""
        ...
