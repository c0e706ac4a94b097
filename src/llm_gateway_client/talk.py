"""What both clients have in common: where the gateway is, who asks, how failures of the connection read."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

from pyreqwest.client import ClientBuilder, SyncClientBuilder
from pyreqwest.exceptions import BuilderError, ConnectError, ConnectTimeoutError, PoolTimeoutError, PyreqwestError, RequestTimeoutError

from llm_gateway_client.errors import GatewayUnavailable, error_of

DEFAULT_URL: Final = "http://localhost:5055"
USER_AGENT: Final = "llm-gateway-client"
Builder = TypeVar("Builder", ClientBuilder, SyncClientBuilder)
_NEVER_SENT: Final = (ConnectError, ConnectTimeoutError, PoolTimeoutError, BuilderError)


class Talk:
    """Addresses and headers. A `base_url` may have a path of its own."""

    def __init__(self, base_url: str, api_key: str | None, user_id: str | None, correlation_id: str | None) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        if user_id:
            self._headers["x-user-id"] = user_id
        if correlation_id:
            self._headers["x-correlation-id"] = correlation_id

    def __repr__(self) -> str:
        return f"Talk({self.base_url!r})"

    def url(self, path: str) -> str:
        """The address of an endpoint."""
        return self.base_url + path

    def headers(self, further: Mapping[str, str] | None = None) -> dict[str, str]:
        """The headers of a call."""
        return self._headers | {name.lower(): value for name, value in (further or {}).items()}

    def unreachable(self, failure: PyreqwestError) -> GatewayUnavailable:
        """The error for a connection that failed. It names the address and never a key."""
        what = "took too long to answer" if isinstance(failure, RequestTimeoutError) else "gave no answer"
        sent = not isinstance(failure, _NEVER_SENT)
        return GatewayUnavailable(f"the gateway at {self.base_url} {what}: {type(failure).__name__}", sent=sent)


def document_of(status: int, body: bytes, retry_after: str | None, *, reads_failures: bool = False) -> dict[str, Any]:
    """The JSON document of an answer.

    Raises:
        GatewayError: the answer is an error, or not a gateway's.
    """
    if not 200 <= status < 300 and not (reads_failures and status == 503):
        raise error_of(status, body, retry_after)
    if status == 204 or not body:
        return {}
    try:
        document = json.loads(body)
    except ValueError:
        raise error_of(502, body) from None
    if not isinstance(document, dict):
        raise error_of(502, body)
    if reads_failures and status == 503 and "error" in document:
        raise error_of(status, body, retry_after)
    return document


def built(builder: Builder, timeout_s: float, connect_timeout_s: float) -> Builder:
    """A client's settings: no proxy of the environment, no redirects (they would carry the key elsewhere)."""
    return (
        builder.no_proxy()
        .follow_redirects(False)
        .user_agent(USER_AGENT)
        .read_timeout(timedelta(seconds=timeout_s))
        .connect_timeout(timedelta(seconds=connect_timeout_s))
    )
