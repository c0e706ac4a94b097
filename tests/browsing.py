"""A real browser on a gateway's dashboard: Chromium, driven by playwright, with everything it complains of kept.

`python -m tests.browsing docs/screenshots` makes the pictures of docs/dashboard.md: a month of simulated traffic, then the pages.
`--all` makes every page, light, dark and on a phone.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import SimulatorConfig, SimulatorProcess, simulator_process
from llm_gateway.simulator.config import Latency
from llm_gateway.simulator.faults import FaultRule

ARGUMENTS: Final = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--font-render-hinting=none",
]  # fmt: skip
DESKTOP: Final = (1280, 960)
PHONE: Final = (360, 740)
ARTEFACTS: Final = Path(__file__).parent / "artefacts"
PAGES: Final = {
    "overview": "/dashboard",
    "requests": "/dashboard/requests",
    "providers": "/dashboard/providers",
    "costs": "/dashboard/costs",
    "security": "/dashboard/security",
    "cache": "/dashboard/cache",
    "limits": "/dashboard/limits",
    "keys": "/dashboard/keys",
    "conversations": "/dashboard/conversations",
    "services": "/dashboard/services",
    "playground": "/dashboard/playground",
}
DAY_S: Final = 86_400.0


def chromium() -> str | None:
    """The browser's program: what `CHROMIUM` names, else the first on PATH; None: there is none."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if name and (found := shutil.which(name)) is not None), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser that talks to this machine alone."""
    path = chromium()
    assert path is not None, "no Chromium: install Debian's `chromium`, or name one in CHROMIUM"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


class Tab:
    """One tab in a profile of its own. `complaints` has console errors, uncaught exceptions, and requests that went elsewhere."""

    def __init__(self, running: Browser, url: str, size: tuple[int, int] = DESKTOP, *, dark: bool = False, scale: float = 1) -> None:
        self.url = url
        self.context = running.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            device_scale_factor=scale,
            timezone_id="UTC",
            locale="en-GB",
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda failure: self.complaints.append(str(failure)))
        self.page.on("request", lambda request: None if request.url.startswith(url) else self.complaints.append(f"asked {request.url}"))

    def open(self, path: str) -> Page:
        """Go to a page and wait until it is drawn: its curves, and what it fetches when loaded."""
        self.page.goto(self.url + path, wait_until="load")
        self.settled()
        return self.page

    def settled(self) -> None:
        """Wait for curves to be drawn and parts to be there."""
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.chart[data-chart]')].every(host => host.querySelector('canvas'))"
            " && !document.querySelector('.htmx-request:not(#live), .htmx-swapping')"
            " && !document.querySelector('#verdict > .muted:only-child')"
        )

    def sign_in(self, token: str) -> None:
        """Sign in, by the form."""
        self.page.goto(self.url + "/dashboard/login")
        self.page.fill("#token", token)
        self.page.click("button[type=submit]")
        self.page.wait_for_url("**/dashboard")

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Keep what is seen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path, full_page=whole)

    def close(self) -> None:
        self.context.close()


class ShiftedClock:
    """The machine's clock, its wall time moved by `shift_s`: yesterday's traffic is made today."""

    def __init__(self, shift_s: float) -> None:
        self.shift_s = shift_s

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall_s(self) -> float:
        return time.time() + self.shift_s


PROMPTS: Final = (
    "Explain quantum computing in simple terms", "Write a short story about AI", "Summarise the plot of Hamlet in two sentences",
    "What is the capital of Iceland?", "Translate 'good morning' into five languages", "Give me three names for a bakery",
    "Why is the sky blue?", "Plan a weekend in Lisbon", "What does a load balancer do?", "Draft a polite reminder e-mail",
)  # fmt: skip
SENSITIVE: Final = (
    "Analyze this internal API key: sk-1234567890abcdef", "Is 4111 1111 1111 1111 a valid card number?",
    "Our account is DE89 3704 0044 0532 0130 00, what bank is that?", "password: Tr0ub4dor&3xZ9 - is it strong enough?",
)  # fmt: skip
CALLERS: Final = ("ada", "grace", "billing-service", "search-service", "support-bot", "nightly-report")
PROVIDERS: Final = (None, None, None, "openai", "anthropic", "bedrock", "grok", "ollama")


def traffic(gateway: RunningGateway, number: int, seed: int) -> None:
    """So many calls of all sorts: plain, streamed, sensitive, repeated, and some that fail."""
    dice = random.Random(seed)

    def one(turn: int) -> None:
        draw = random.Random(seed * 10_000 + turn)
        caller = draw.choices(CALLERS, weights=(6, 4, 5, 8, 3, 1))[0]
        body: dict[str, object] = {"prompt": draw.choice(PROMPTS), "user_id": caller, "max_tokens": draw.choice((60, 120, 400))}
        if draw.random() < 0.75:
            body["prompt"] = f"{body['prompt']} ({draw.randrange(10_000)})"
        if (provider := draw.choice(PROVIDERS)) is not None:
            body["provider"] = provider
        kind = draw.random()
        if kind < 0.08:
            gateway.post("/query", **(body | {"prompt": draw.choice(SENSITIVE), "provider": draw.choice(("openai", "anthropic"))}))
        elif kind < 0.35:
            gateway.call("POST", "/stream", body)
        elif kind < 0.4:
            gateway.post("/chat", **body, conversation_id=f"conv-{caller}-{draw.randrange(3)}")
        elif kind < 0.42:
            gateway.post("/query", prompt="hello", user_id=caller, temperature=9)
        else:
            gateway.post("/query", **body)

    order = list(range(number))
    dice.shuffle(order)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(one, order))


def month(gateway: RunningGateway, clock: ShiftedClock, *, calls_a_day: int, days: int = 28) -> None:
    """Days of traffic that grows, with quiet weekends, up to now."""
    for day in range(days, 0, -1):
        clock.shift_s = -day * DAY_S
        weekend = time.gmtime(clock.wall_s()).tm_wday >= 5
        traffic(gateway, max(2, int(calls_a_day * (0.35 if weekend else 1) * (1.3 - day / days * 0.6))), day)
    clock.shift_s = 0.0


def last_hour(gateway: RunningGateway, clock: ShiftedClock, *, calls_a_minute: int) -> None:
    """An hour of traffic in waves, up to now."""
    for minute in range(59, -1, -1):
        clock.shift_s = -minute * 60.0
        traffic(gateway, max(1, int(calls_a_minute * (1 + 0.6 * random.Random(minute).uniform(-1, 1)))), 1000 + minute)
    clock.shift_s = 0.0


def lifelike(simulator: SimulatorProcess) -> None:
    """Upstreams that take their time, a little of it, and fail now and then."""
    simulator.set_latency(
        {
            "ollama": Latency(0.03, 0.002, 0.4),
            "openai": Latency(0.02, 0.001, 0.4),
            "anthropic": Latency(0.03, 0.001, 0.4),
            "bedrock": Latency(0.035, 0.001, 0.4),
            "grok": Latency(0.02, 0.001, 0.4),
        }
    )
    simulator.add_faults(FaultRule(kind="grok", status=503, probability=0.15), FaultRule(kind="anthropic", status=529, probability=0.03))


LIMITS: Final[dict[str, object]] = {
    "rate_limiting.default.requests_per_minute": 3000,
    "rate_limiting.default.requests_per_hour": 20_000,
    "rate_limiting.default.tokens_per_minute": 1_000_000,
    "rate_limiting.default.burst_limit": 200,
    "providers.openai.limits.requests_per_minute": 2000,
}
"""Above what a month of traffic within a minute comes to."""
BUDGETS: Final = (
    {"name": "everything", "limit_usd": "25.00"},
    {"name": "callers", "limit_usd": "0.50", "scope": "caller", "period": "day"},
    {"name": "nightly", "limit_usd": "0.02", "scope": "caller", "subject": "nightly-report"},
)


@contextmanager
def populated(
    folder: Path, simulator: SimulatorProcess, *, calls_a_day: int, calls_a_minute: int, days: int = 28
) -> Iterator[tuple[RunningGateway, str]]:
    """A gateway with a past, and its admin token."""
    clock = ShiftedClock(-days * DAY_S)
    lifelike(simulator)
    with running_gateway(folder, simulator, LIMITS | {"routing.health_interval_s": 1}, clock=clock) as gateway:
        token = (folder / "admin_token").read_text().strip()
        for budget in BUDGETS:
            gateway.post("/admin/budgets", {"authorization": f"Bearer {token}"}, **budget)
        month(gateway, clock, calls_a_day=calls_a_day, days=days)
        last_hour(gateway, clock, calls_a_minute=calls_a_minute)
        simulator.clear_faults()
        yield gateway, token


def make_pictures(folder: Path, chosen: frozenset[str]) -> None:
    """The pictures of docs/dashboard.md; with none chosen, of every page."""
    with (
        simulator_process(SimulatorConfig()) as simulator,
        tempfile.TemporaryDirectory() as data,
        populated(Path(data), simulator, calls_a_day=100, calls_a_minute=5) as (gateway, token),
        browser() as running,
    ):
        simulator.stop("grok")
        for turn in range(8):
            gateway.post("/query", prompt=f"Are you there? ({turn})", provider="grok", user_id="support-bot")

        def keep(tab: Tab, name: str) -> None:
            if not chosen or name in chosen:
                tab.picture(folder / f"{name}.png", whole=not chosen)

        _pictures(running, gateway, token, keep)


def _pictures(running: Browser, gateway: RunningGateway, token: str, keep: Callable[[Tab, str], None]) -> None:
    for name, size, dark in (("", DESKTOP, False), ("-dark", DESKTOP, True), ("-phone", PHONE, False)):
        tab = Tab(running, gateway.url, size, dark=dark)
        tab.sign_in(token)
        for page, path in PAGES.items():
            tab.open(path)
            keep(tab, f"{page}{name}")
        tab.open("/dashboard/requests?only=sensitive")
        tab.page.click("td a.mono >> nth=0")
        tab.settled()
        keep(tab, f"request{name}")
        tab.open("/dashboard/playground")
        tab.page.fill("#prompt", "Analyze this internal API key: sk-1234567890abcdef")
        tab.page.select_option("#provider", "openai")
        tab.page.click("#explain")
        tab.page.wait_for_selector("#explanation table")
        tab.page.click("#send")
        tab.page.wait_for_selector("#figures dt")
        keep(tab, f"playground-asked{name}")
        tab.close()
    tab = Tab(running, gateway.url)
    tab.page.goto(gateway.url + "/dashboard/login")
    keep(tab, "login")
    tab.close()


CHOSEN: Final = frozenset({"overview", "providers-dark", "costs", "security", "request", "playground-asked", "overview-phone"})
"""The pictures of docs/dashboard.md. They show the top of a page, to stay small."""

if __name__ == "__main__":
    make_pictures(Path(sys.argv[1]), frozenset() if "--all" in sys.argv else CHOSEN)
