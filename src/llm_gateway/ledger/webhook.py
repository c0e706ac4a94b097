"""Delivers notices to the address that the configuration names: one POST each, checked like a provider's address, no redirects."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from llm_gateway.core.addresses import is_local_host
from llm_gateway.core.clearance import WireBytes, notice_wire
from llm_gateway.core.clock import Clock
from llm_gateway.core.notices import BudgetNotice, NoticePlace
from llm_gateway.core.routing import Destination
from llm_gateway.core.settings import AlertSettings
from llm_gateway.core.types import SecurityLevel
from llm_gateway.ledger.bulletin import Send

NAME: Final = "alerts.webhook"
"""Whose address it is, in messages."""

Post = Callable[[WireBytes, float, bool], Awaitable[int]]
"""Sends bytes with a time-out in seconds, to a local address or (False) a public one; gives the status of the answer."""


def webhook(settings: AlertSettings, post: Post, clock: Clock) -> Send | None:
    """The way to the webhook; None: none is configured."""
    url = settings.webhook_url.get_secret_value()
    if not url:
        return None
    place, local = _place(url, settings.webhook_secret.get_secret_value())

    async def send(notice: BudgetNotice) -> str:
        status = await post(notice_wire(notice, place, clock.wall_s()), settings.timeout_s, local)
        return "" if 200 <= status < 300 else f"the webhook answered {status}"

    return send


@lru_cache(8)
def _place(url: str, secret: str) -> tuple[NoticePlace, bool]:
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    # Its level says nothing: notices hold nothing that was judged.
    destination = Destination(NAME, origin, SecurityLevel.LOW)
    return NoticePlace(url, destination, secret.encode()), is_local_host(parts.hostname or "") is True
