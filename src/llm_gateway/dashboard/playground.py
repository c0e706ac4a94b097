"""The playground: what would happen to a prompt, and then the prompt itself, its answer streamed."""

import asyncio
from typing import Any, Final

from llm_gateway.api.asgi import Send
from llm_gateway.dashboard.visit import Html, Response, Streamed, Visit

_NUMBERS: Final = {"temperature": float, "max_tokens": int}


async def show(visit: Visit) -> Response:
    """The form."""
    providers, models = await asyncio.gather(visit.see.get("/providers"), visit.see.get("/models"))
    return Html("playground.html", {"providers": providers, "models": models, "prompt": visit.query.get("prompt", "")})


async def explain(visit: Visit) -> Response:
    """What would happen to the prompt of the form; nothing is sent."""
    body = _body(visit)
    body.pop("force_refresh", None)
    return Html("explained.html", {"explained": await visit.act.post("/route/explain", body)})


async def stream(visit: Visit) -> Response:
    """Send the prompt of the form; the answer is that of `POST /stream`."""
    body = _body(visit)

    async def run(send: Send) -> None:
        await visit.act.stream("/stream", body, send)

    return Streamed(run)


def _body(visit: Visit) -> dict[str, Any]:
    """The form as the API takes it. A number that is none goes on as it is: the API says what it expected."""
    body: dict[str, Any] = {"prompt": (visit.form.get("prompt") or [""])[0]}
    for name in ("context", "provider", "model", "user_id"):
        if given := visit.given(name):
            body[name] = given
    for name, kind in _NUMBERS.items():
        if given := visit.given(name):
            try:
                body[name] = kind(given)
            except ValueError:
                body[name] = given
    if visit.given("force_refresh"):
        body["force_refresh"] = True
    if visit.visitor.acting is None:
        body.setdefault("user_id", "playground")
    return body
