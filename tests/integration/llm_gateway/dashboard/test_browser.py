"""The dashboard in a real browser: every page with data and without, what it complains of, how it is read and reached."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser
from tests.browsing import ARTEFACTS, PAGES, PHONE, Tab, browser, chromium, populated
from tests.support import RunningGateway, running_gateway

from llm_gateway.simulator import FaultRule, SimulatorProcess

pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="no Chromium on PATH and none named in CHROMIUM"),
]

CORPUS: Final = (
    "<script>window.pwned=1</script>",
    '"><img src=x onerror="window.pwned=1">',
    "'><svg/onload=window.pwned=1>",
    "</textarea></title></style><iframe srcdoc='<script>parent.pwned=1</script>'>",
    '" autofocus onfocus="window.pwned=1" x="',
    "javascript:window.pwned=1//",
    "{{constructor.constructor('window.pwned=1')()}}${window.pwned=1}",
    "<a hx-get='/dashboard/keys' hx-trigger='load' hx-on:click='window.pwned=1'>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "]]><!--<math><mtext><style><img src=x onerror=window.pwned=1>",
)

CONTRAST: Final = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => { const c = v / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("[disabled], .visually-hidden, option")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
  }
  return faint;
}"""

REACHABLE: Final = """() => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled).length"""


@pytest.fixture(scope="module")
def running() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[tuple[RunningGateway, str]]:
    folder = tmp_path_factory.mktemp("busy")
    with populated(folder, simulator_of_session, calls_a_day=6, calls_a_minute=1, days=4) as made:
        gateway, _ = made
        for turn, words in enumerate(CORPUS):
            gateway.post("/query", prompt=words, user_id=words)
            gateway.post("/query", prompt="hello", user_id=f"mallory-{turn}", model=words)
            gateway.post("/query", prompt="hello", user_id=words, provider=words)
            gateway.post("/chat", prompt=words, user_id=words)
            gateway.post("/chat", prompt=words, user_id="admin-reads-this", conversation_id=f"corpus-{turn}")
        yield made


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, simulator_of_session: SimulatorProcess) -> Iterator[tuple[RunningGateway, str]]:
    folder = tmp_path_factory.mktemp("empty")
    with running_gateway(folder, simulator_of_session) as gateway:
        yield gateway, (folder / "admin_token").read_text().strip()


def test_every_page_with_data_is_drawn_read_and_fits(running: Browser, busy: tuple[RunningGateway, str]) -> None:
    gateway, token = busy
    sensitive = gateway.get("/requests?sensitive=true&limit=1", {"authorization": f"Bearer {token}"}).json["requests"][0]
    pages = PAGES | {
        "request": f"/dashboard/requests/{sensitive['correlation_id']}",
        "conversation": "/dashboard/conversations/corpus-3",
        "failed": "/dashboard/requests?only=failed",
    }
    for name, size, dark in (("", (1280, 800), False), ("-dark", (1280, 800), True), ("-phone", PHONE, False)):
        tab = Tab(running, gateway.url, size, dark=dark)
        tab.sign_in(token)
        for page, path in pages.items():
            _look(tab, path, ARTEFACTS / f"{page}{name}.png")
        tab.close()


SEEN_ON_A_PHONE: Final = (
    ("/dashboard/costs", "section:not(#budgets) th[scope=row] ~ td.n:nth-of-type(-n+2)"),
    ("/dashboard/costs", "#budgets td.bars"),
    ("/dashboard/requests", "td.outcome"),
    ("/dashboard/security", "td.bars"),
    ("/dashboard/services", "td .state"),
)
"""What each table is for: it is seen without scrolling the table."""


def test_on_a_phone_what_matters_is_seen_without_scrolling(running: Browser, busy: tuple[RunningGateway, str]) -> None:
    gateway, token = busy
    tab = Tab(running, gateway.url, PHONE)
    tab.sign_in(token)
    for path, cells in SEEN_ON_A_PHONE:
        page = tab.open(path)
        page.locator(cells).first.wait_for()
        edges = page.eval_on_selector_all(cells, "cells => cells.map(each => each.getBoundingClientRect().right)")
        assert edges
        assert max(edges) <= PHONE[0], (path, cells, max(edges))
    page = tab.open("/dashboard/nowhere")
    assert page.evaluate("document.querySelector('.side').getBoundingClientRect().height") < 80, "a short page leaves the bar as it is"
    tab.close()


def test_every_page_without_data_says_what_to_do(running: Browser, empty: tuple[RunningGateway, str]) -> None:
    gateway, token = empty
    hints = {
        "overview": "Nothing has come through yet",
        "requests": "Nothing matches",
        "costs": "No call of a provider",
        "security": "No sensitive request",
        "cache": "The cache is empty",
        "limits": "No callers in the last 24 hours",
        "keys": "No keys: the gateway is open",
        "conversations": "No conversations",
        "playground": "Where would it go?",
    }
    for signed_in, size in ((False, (1280, 800)), (True, PHONE)):
        tab = Tab(running, gateway.url, size, dark=signed_in)
        if signed_in:
            tab.sign_in(token)
        for page, path in PAGES.items():
            _look(tab, path, ARTEFACTS / f"empty-{page}{'-phone' if signed_in else ''}.png")
            assert hints.get(page, "") in tab.page.inner_text("main"), page
        tab.close()


def _look(tab: Tab, path: str, picture: Path) -> None:
    """Open a page, and hold it to what every page is held to."""
    page = tab.open(path)
    assert tab.complaints == [], path
    assert page.evaluate("window.pwned") is None, path
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{path} scrolls sideways"
    assert page.evaluate(CONTRAST) == [], path
    assert page.locator("h1").count() == 1, path
    assert page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')].every(each => each.labels.length)"
    ), path
    tab.picture(picture)


def test_what_callers_choose_stays_text(running: Browser, busy: tuple[RunningGateway, str]) -> None:
    gateway, token = busy
    gateway.post("/admin/keys", {"authorization": f"Bearer {token}"}, name=CORPUS[1], owner="mallory", tier="default")
    for words in CORPUS:
        gateway.post("/query", {"authorization": f"Bearer {token}"}, prompt=words)
    tab = Tab(running, gateway.url)
    tab.page.on("dialog", lambda dialog: tab.complaints.append(f"dialog: {dialog.message}"))
    tab.sign_in(token)
    for path in (
        *PAGES.values(),
        "/dashboard/requests?only=failed",
        "/dashboard/requests?caller=%3Cscript%3E%22",
        "/dashboard/nowhere%3Cscript%3E",
    ):
        tab.open(path)
        _is_text_alone(tab)
    tab.complaints = [each for each in tab.complaints if "404" not in each]
    for number, words in enumerate(CORPUS):
        tab.open(f"/dashboard/conversations/corpus-{number}")
        assert words in tab.page.inner_text("main")
    tab.open("/dashboard/limits")
    assert CORPUS[0] in tab.page.inner_text("main")
    tab.open("/dashboard/keys")
    assert CORPUS[1] in tab.page.inner_text("main")
    found = gateway.get("/requests?limit=1000", {"authorization": f"Bearer {token}"}).json["requests"]
    for record in [each for each in found if each["caller"] in CORPUS or each["asked"]["model"] in CORPUS][:10]:
        tab.open(f"/dashboard/requests/{record['correlation_id']}")
        assert record["caller"] in tab.page.inner_text("main")
    tab.open("/dashboard/playground")
    for words in CORPUS[:3]:
        tab.page.fill("#prompt", words)
        tab.page.click("#explain")
        tab.page.wait_for_selector("#explanation table")
        tab.page.click("#send")
        tab.page.wait_for_selector("#figures dt")
        assert words in tab.page.inner_text("#answer")
    assert tab.page.evaluate("window.pwned") is None
    assert tab.complaints == []
    revoked = gateway.get("/admin/keys", {"authorization": f"Bearer {token}"}).json["keys"][0]["id"]
    gateway.call("DELETE", f"/admin/keys/{revoked}", None, {"authorization": f"Bearer {token}"})
    tab.close()


def test_what_errors_say_stays_text(running: Browser, tmp_path: Path, simulator: SimulatorProcess) -> None:
    """A caller's own mistake, and an upstream's message, with markup in it."""
    settings = {"routing.explicit_fallback": False, "routing.retry_budget": 0, "routing.breaker_failures": 1000}
    with running_gateway(tmp_path, simulator, settings) as gateway:
        tab = Tab(running, gateway.url)
        for words in CORPUS:
            simulator.clear_faults()
            simulator.add_faults(FaultRule(kind="openai", method="POST", status=400, message=words))
            page = tab.open("/dashboard/playground")
            page.fill("#prompt", words)
            page.select_option("#provider", "openai")
            for model in ("", words):
                page.fill("#model", model)
                page.click("#send")
                page.wait_for_function("() => document.querySelector('#progress').textContent.startsWith('Failed. ')")
                _is_text_alone(tab)
                page.evaluate("document.querySelector('#progress').textContent = ''")
            tab.open(f"/dashboard/requests?error_type={quote(words)}&model={quote(words)}")
            _is_text_alone(tab)
        for path in ("/dashboard", "/dashboard/providers", "/dashboard/requests?only=failed"):
            tab.open(path)
            _is_text_alone(tab)
        for record in gateway.get("/requests").json["requests"]:
            tab.open(f"/dashboard/requests/{record['correlation_id']}")
            _is_text_alone(tab)
        assert [each for each in tab.complaints if "status of 4" not in each and "status of 5" not in each] == []
        tab.close()


def _is_text_alone(tab: Tab) -> None:
    assert tab.page.evaluate("window.pwned") is None, tab.page.url
    assert tab.page.evaluate("document.querySelectorAll('iframe, img, math, [onerror], [onload], [onfocus]').length") == 0, tab.page.url


def test_the_keyboard_reaches_everything_and_shows_where_it_is(running: Browser, busy: tuple[RunningGateway, str]) -> None:
    gateway, token = busy
    tab = Tab(running, gateway.url)
    tab.sign_in(token)
    for path in ("/dashboard", "/dashboard/requests", "/dashboard/keys", "/dashboard/playground"):
        page = tab.open(path)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.evaluate("document.activeElement.blur(); document.body.focus(); window.getSelection().removeAllRanges()")
        page.goto(gateway.url + path)
        reached = set()
        for turn in range(page.evaluate(REACHABLE) + 8):
            page.keyboard.press("Tab")
            outline, place = page.evaluate(
                """() => {
                    const at = document.activeElement;
                    const all = [...document.querySelectorAll('*')];
                    return [getComputedStyle(at).outlineStyle, at === document.body ? -1 : all.indexOf(at)];
                }"""
            )
            if place >= 0:
                assert outline != "none", (path, turn)
                reached.add(place)
        assert len(reached) >= page.evaluate(REACHABLE), path
    tab.close()


def test_the_live_part_renews_itself_and_can_be_paused(running: Browser, busy: tuple[RunningGateway, str]) -> None:
    gateway, token = busy
    tab = Tab(running, gateway.url)
    tab.sign_in(token)
    tab.page.clock.install()
    page = tab.open("/dashboard")
    assert gateway.post("/chat", {"authorization": f"Bearer {token}"}, prompt="a new one", conversation_id="new").status == 200
    with page.expect_response(
        lambda response: response.url.endswith("/dashboard") and response.request.headers.get("hx-request") == "true"
    ):
        page.clock.fast_forward(5_100)
    page.wait_for_function("name => document.querySelector('#live td.phone-off')?.textContent === name", arg="admin")
    tab.settled()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.click("#pause")
    page.clock.fast_forward(20_000)
    assert page.get_attribute("#pause", "aria-pressed") == "true"
    assert asked == []
    assert tab.complaints == []
    tab.close()


def test_a_first_visit_from_prompt_to_every_decision(running: Browser, empty: tuple[RunningGateway, str]) -> None:
    gateway, _ = empty
    tab = Tab(running, gateway.url)
    page = tab.open("/dashboard")
    page.click("main >> text=playground")
    page.fill("#prompt", "Analyze this internal API key: sk-1234567890abcdef")
    page.select_option("#provider", "openai")
    page.click("#explain")
    page.wait_for_selector("#explanation table")
    assert "may not go to openai" in page.inner_text("#explanation")
    assert gateway.get("/requests").json["requests"] == []
    page.click("#send")
    page.wait_for_selector("#figures dt")
    assert "simulated" in page.inner_text("#answer")
    assert "secret.api_key" in page.inner_text("#figures")
    page.click("#figures a")
    page.wait_for_url("**/dashboard/requests/gw-*")
    story = page.inner_text("main")
    for step in ("It arrived", "Its content was judged", "A route was chosen", "Attempt 1", "It was answered", "In the audit trail"):
        assert step in story
    assert tab.complaints == []
    tab.close()


def test_keys_budgets_and_the_door(running: Browser, tmp_path: Path, simulator: SimulatorProcess) -> None:
    with running_gateway(tmp_path, simulator) as gateway:
        token = (tmp_path / "admin_token").read_text().strip()
        tab = Tab(running, gateway.url)
        page = tab.open("/dashboard/keys")
        assert str(tmp_path / "admin_token") in page.inner_text("main")
        page.goto(gateway.url + "/dashboard/login")
        page.fill("#token", "not the token")
        page.click("button[type=submit]")
        assert "neither the admin token nor a key" in page.inner_text("[role=alert]")
        tab.complaints.clear()
        tab.sign_in(token)
        tab.open("/dashboard/keys")
        page.fill("#name", "first")
        page.fill("#budget_usd", "12.50")
        page.check("input[value=openai]")
        page.click("text=Make the key")
        key = page.inner_text(".secret").strip()
        assert gateway.post("/query", {"authorization": f"Bearer {key}"}, prompt="hello").status == 200
        tab.open("/dashboard/keys")
        assert key not in page.content()
        tab.open("/dashboard/costs")
        page.click("text=Add a budget")
        page.fill("#b-name", "team")
        page.fill("#b-limit", "25")
        page.click("button:text-is('Add')")
        assert "The budget holds" in page.inner_text("[role=status]")
        assert "$25.00" in page.inner_text("#budgets")
        tab.open("/dashboard/keys")
        page.once("dialog", lambda dialog: dialog.accept())
        page.click("td button.quiet")
        page.wait_for_selector("text=revoked, for good")
        assert gateway.post("/query", {"authorization": f"Bearer {key}"}, prompt="hello").status == 401
        page.click("text=Sign out")
        page.wait_for_url("**/dashboard/login")
        page.goto(gateway.url + "/dashboard/costs")
        assert page.url.endswith("/dashboard/login?next=%2Fdashboard%2Fcosts")
        assert tab.complaints == []
        tab.close()


def test_colours_follow_the_choice(running: Browser, empty: tuple[RunningGateway, str]) -> None:
    gateway, _ = empty
    tab = Tab(running, gateway.url)
    page = tab.open("/dashboard")

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground()
    page.click("#theme")
    page.click("#theme")
    assert page.inner_text("#theme") == "Colours: dark"
    dark = ground()
    assert dark != light
    tab.open("/dashboard/keys")
    assert ground() == dark
    assert page.evaluate(CONTRAST) == []
    assert tab.complaints == []
    tab.close()
