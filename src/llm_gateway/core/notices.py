"""What the gateway tells an operator's own address by itself: a closed set of messages that hold nothing of any request."""

from typing import Final, Literal

import msgspec

from llm_gateway.core.routing import Destination


class BudgetNotice(msgspec.Struct, frozen=True, tag="budget", tag_field="type"):
    """A budget came to something. Times are Unix seconds, amounts exact decimals in USD.

    `id` is the same whenever the same thing is told, so that a receiver can tell a repetition. `percent` of the limit was reached (kind
    `threshold`), a call was refused for want of money (`refused`), or a call has a price that nobody knows (`unknown_price`).
    """

    id: str
    kind: Literal["threshold", "refused", "unknown_price"]
    budget: str
    scope: str
    subject: str
    period: str
    period_start: float
    percent: int | None
    spent_usd: str | None
    limit_usd: str
    at: float


class NoticePlace(msgspec.Struct, frozen=True):
    """Where notices go: an address that only the configuration can set. `secret` signs them; empty: they are not signed."""

    url: str
    destination: Destination
    secret: bytes = b""

    def __repr__(self) -> str:
        """Without the path, which often is a secret, and without the secret."""
        return f"NoticePlace({self.destination.origin})"


SIGNATURE_HEADER: Final = "x-gateway-signature"
"""`t=<Unix seconds>,v1=<hex HMAC-SHA-256 of "<t>.<body>">`."""
EVENT_HEADER: Final = "x-gateway-event-id"
