"""One look at one page: who looks, what they asked for, and what a handler may answer."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from llm_gateway.api.asgi import Headers, Scope, Send
from llm_gateway.core.exchange import ANONYMOUS
from llm_gateway.dashboard.asking import Api
from llm_gateway.dashboard.door import PATH
from llm_gateway.dashboard.sessions import Visitor

NOBODY: Final = ANONYMOUS
WINDOWS: Final = {"15m": 15, "1h": 60, "6h": 360, "24h": 1440}
"""Minutes of the times that a visitor may choose."""


class Page(msgspec.Struct, frozen=True):
    """A page of the menu. `icon` is an SVG path in a box of 16 by 16."""

    path: str
    title: str
    lead: str
    icon: str = ""


class Notice(msgspec.Struct, frozen=True):
    """What is said above a page, once. `tone` is good, warn or bad."""

    text: str
    tone: str = "good"


class Html(msgspec.Struct, frozen=True):
    """A page to show: a template and what it is given."""

    template: str
    context: dict[str, Any]
    status: int = 200
    headers: Headers = []


class Redirect(msgspec.Struct, frozen=True):
    """Look there instead."""

    path: str
    headers: Headers = []


class Streamed(msgspec.Struct, frozen=True):
    """An answer that is written as it comes."""

    run: Callable[[Send], Awaitable[None]]


Response = Html | Redirect | Streamed


class Visit:
    """What a handler works with. `see` asks the API as the one who looks, `act` as the one who changes things."""

    def __init__(self, scope: Scope, visitor: Visitor, see: Api, act: Api, now_s: float) -> None:
        self.scope = scope
        self.visitor = visitor
        self.see = see
        self.act = act
        self.now_s = now_s
        self.name = ""
        """What stands behind a page's path: the id of a request or a conversation."""
        self.query: dict[str, str] = {}
        self.form: dict[str, list[str]] = {}

    def given(self, name: str) -> str:
        """A field of the form, without the space around it; "" when absent."""
        return (self.form.get(name) or [""])[0].strip()

    def all_given(self, name: str) -> list[str]:
        """A field that may be given several times, or hold several words."""
        return [word for value in self.form.get(name, []) for word in value.replace(",", " ").split()]

    def asked(self, name: str) -> str | None:
        """A part of the query; None when it is absent or empty."""
        return self.query.get(name) or None

    def window(self, default: str = "1h") -> str:
        """The time that is shown, one of `WINDOWS`."""
        chosen = self.query.get("window", default)
        return chosen if chosen in WINDOWS else default


Handler = Callable[[Visit], Awaitable[Response]]

OVERVIEW: Final = Page(PATH, "Overview", "What goes through the gateway now.", "M2 9h3l2-5 3 9 2-4h2")
REQUESTS: Final = Page(
    f"{PATH}/requests", "Requests", "Every call on record; open one to see each decision that was made about it.", "M2 4h12M2 8h12M2 12h8"
)
PROVIDERS: Final = Page(
    f"{PATH}/providers",
    "Providers",
    "Who can answer, how they fare, and why one is not chosen.",
    "M3 3h10v4H3zM3 9h10v4H3zM5.5 5h.01M5.5 11h.01",
)
COSTS: Final = Page(
    f"{PATH}/costs", "Costs", "What was used and what it cost, exact from the ledger; and the budgets.",
    "M8 2v12M11 4.5H6.8a2.2 2.2 0 0 0 0 4.4h2.4a2.2 2.2 0 0 1 0 4.4H4.6"
)  # fmt: skip
SECURITY: Final = Page(
    f"{PATH}/security", "Security", "How much of it is sensitive, where that went, and whether the record of it is whole.",
    "M8 1.8 13.2 4v4c0 3-2.2 5.2-5.2 6.2C5 13.2 2.8 11 2.8 8V4zM5.8 8l1.6 1.6 2.8-3",
)  # fmt: skip
CACHE: Final = Page(
    f"{PATH}/cache",
    "Cache",
    "Answers that are kept, and what that has saved.",
    "M2.5 4.5 8 2l5.5 2.5L8 7zM2.5 8 8 10.5 13.5 8M2.5 11.5 8 14l5.5-2.5",
)
LIMITS: Final = Page(
    f"{PATH}/limits", "Limits", "Where callers stand, and who is near a limit.", "M2.5 11.5a5.5 5.5 0 1 1 11 0M8 11.5l2.8-3.6"
)
KEYS: Final = Page(
    f"{PATH}/keys", "API keys", "Who may call, and with what.", "M10 6a3 3 0 1 1-1.2-2.4A3 3 0 0 1 10 6zM9 8l-6 6M5 12l1.5 1.5M4 13"
)
CONVERSATIONS: Final = Page(
    f"{PATH}/conversations", "Conversations", "What the gateway remembers for callers of /chat.", "M2.5 3h11v8H7l-3 2.5V11H2.5z"
)
SERVICES: Final = Page(
    f"{PATH}/services", "Services", "The ten integrated services, embedded or remote.", "M3 3h4v4H3zM9 3h4v4H9zM3 9h4v4H3zM11 9v4M9 11h4"
)
PLAYGROUND: Final = Page(
    f"{PATH}/playground", "Playground", "See where a prompt would go and why; then send it and watch the answer.", "M4 2.5 12.5 8 4 13.5z"
)
LOGIN: Final = Page(f"{PATH}/login", "Sign in", "")

MENU: Final = {
    "Watch": (OVERVIEW, REQUESTS, PROVIDERS, COSTS, SECURITY, CACHE, LIMITS),
    "Manage": (KEYS, CONVERSATIONS, SERVICES),
    "Try": (PLAYGROUND,),
}
