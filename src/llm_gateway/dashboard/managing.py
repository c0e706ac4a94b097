"""Pages on which something can be changed: cache, limits, keys, budgets, conversations; and the services."""

import asyncio
from typing import Any, Final
from urllib.parse import quote

from llm_gateway.dashboard.asking import Reply
from llm_gateway.dashboard.visit import CACHE, CONVERSATIONS, COSTS, KEYS, LIMITS, Html, Notice, Redirect, Response, Visit
from llm_gateway.dashboard.watching import costs

MOST_CALLERS: Final = 20
_DAY_S: Final = 86_400
_DONE: Final = {
    "cleared": Notice("The entries are cleared."),
    "reset": Notice("The counts begin anew."),
    "revoked": Notice("The key is revoked, for good."),
    "erased": Notice("The conversation is erased."),
}


def _notice(visit: Visit) -> Notice | None:
    return _DONE.get(visit.query.get("done", ""))


def _refusal(reply: Reply) -> Notice:
    return Notice("That takes the admin token: sign in with it." if reply.needs_admin else reply.problem, "bad")


async def cache(visit: Visit, notice: Notice | None = None) -> Response:
    """What is kept and what it saved."""
    return Html("cache.html", {"status": await visit.see.get("/cache/status"), "notice": notice or _notice(visit)})


async def clear_cache(visit: Visit) -> Response:
    """Clear entries by their names; all of them only when that is what the form says."""
    pattern = visit.given("pattern")
    done = await visit.act.post("/cache/clear", {"pattern": pattern} if pattern else {})
    return Redirect(f"{CACHE.path}?done=cleared") if done.ok else await cache(visit, _refusal(done))


async def limits(visit: Visit, notice: Notice | None = None) -> Response:
    """Where the callers of the last day stand, and whoever is looked for."""
    sums = await visit.see.get("/metrics/costs", since="24h", limit=MOST_CALLERS)
    groups: list[dict[str, Any]] = sums.document.get("by_caller", [])
    looked_for = visit.asked("caller")
    names = [looked_for] if looked_for else [each["caller"] for each in groups]
    # A user of a key's owner is counted as the owner.
    standing = await asyncio.gather(*[visit.see.get("/rate-limit/status", user_id=name) for name in names])
    rows = [(name, found) for name, found in zip(names, standing, strict=True) if found.ok]
    rows.sort(key=lambda row: (-row[1]["cooldown_seconds"], -_fullest(row[1]), row[0]))
    spent = {each["caller"]: each for each in groups}
    context = {"sums": sums, "rows": rows, "spent": spent, "looked_for": looked_for or "", "notice": notice or _notice(visit)}
    return Html("limits.html", context)


def _fullest(found: Reply) -> float:
    """How full the fullest of a caller's limits is, as a fraction."""
    windows = (found[name] for name in ("burst", "requests_per_minute", "requests_per_hour", "tokens_per_minute"))
    return max(window["used"] / window["limit"] if window["limit"] else 0.0 for window in windows)


async def reset_limits(visit: Visit) -> Response:
    """Forget what a caller has used."""
    done = await visit.act.post("/admin/reset-limits", {"user_id": visit.given("user_id")})
    return Redirect(f"{LIMITS.path}?done=reset") if done.ok else await limits(visit, _refusal(done))


async def keys(visit: Visit, notice: Notice | None = None, made: Reply | None = None) -> Response:
    """API keys, and, right after it was made, a new one."""
    listed, providers = await asyncio.gather(visit.see.get("/admin/keys", limit=1000), visit.see.get("/providers"))
    names = [each["name"] for each in providers.document.get("providers", [])]
    context = {"listed": listed, "provider_names": names, "made": made, "notice": notice or _notice(visit), "given": visit.given}
    return Html("keys.html", context, 200 if made is None else 201)


async def create_key(visit: Visit) -> Response:
    """Make a key; the page that answers is the only place where it is ever shown."""
    days, budget = visit.given("expires_days"), visit.given("budget_usd")
    asked: dict[str, Any] = {
        "name": visit.given("name"),
        "owner": visit.given("owner") or None,
        "tier": visit.given("tier") or "default",
        "allowed_providers": visit.all_given("provider") or None,
        "allowed_models": visit.all_given("models") or None,
        "budget": {"amount_usd": budget, "period": visit.given("budget_period") or "month"} if budget else None,
        "expires_in_s": float(days) * _DAY_S if days.isdecimal() else days or None,
    }
    done = await visit.act.post("/admin/keys", {name: value for name, value in asked.items() if value is not None})
    return await keys(visit, made=done) if done.ok else await keys(visit, _refusal(done))


async def revoke_key(visit: Visit) -> Response:
    """Take a key back."""
    done = await visit.act.call("DELETE", f"/admin/keys/{quote(visit.given('key_id'), safe='')}")
    return Redirect(f"{KEYS.path}?done=revoked") if done.ok else await keys(visit, _refusal(done))


async def create_budget(visit: Visit) -> Response:
    """Make a budget."""
    asked = {name: visit.given(name) for name in ("name", "limit_usd", "scope", "subject", "period")}
    done = await visit.act.post("/admin/budgets", {name: value for name, value in asked.items() if value})
    return Redirect(f"{COSTS.path}?done=budget") if done.ok else await _costs_with(visit, _refusal(done))


async def remove_budget(visit: Visit) -> Response:
    """Remove a budget."""
    done = await visit.act.call("DELETE", f"/admin/budgets/{quote(visit.given('name'), safe='')}")
    return Redirect(f"{COSTS.path}?done=budget-removed") if done.ok else await _costs_with(visit, _refusal(done))


async def _costs_with(visit: Visit, notice: Notice) -> Response:
    page = await costs(visit)
    return Html(page.template, page.context | {"notice": notice}) if isinstance(page, Html) else page


async def conversations(visit: Visit, notice: Notice | None = None) -> Response:
    """The visitor's own conversations; whose, where the gateway is open, the visitor says."""
    user = visit.asked("user_id")
    found = await visit.act.get("/conversations", user_id=user, before=visit.asked("before"))
    return Html("conversations.html", {"found": found, "user": user or "", "notice": notice or _notice(visit)})


async def one_conversation(visit: Visit) -> Response:
    """One conversation, turn by turn."""
    user = visit.asked("user_id")
    found = await visit.act.get(f"/conversations/{visit.name}", user_id=user)
    return Html("conversation.html", {"found": found, "user": user or "", "name": visit.name}, 200 if found.ok else 404)


async def erase_conversation(visit: Visit) -> Response:
    """Erase a conversation."""
    user = visit.given("user_id")
    done = await visit.act.call("DELETE", f"/conversations/{visit.given('conversation_id')}", query={"user_id": user or None})
    if done.ok:
        return Redirect(f"{CONVERSATIONS.path}?done=erased" + (f"&user_id={quote(user)}" if user else ""))
    return await conversations(visit, _refusal(done))


async def trust_conversation(visit: Visit) -> Response:
    """Take the mark of sensitive content off a conversation; the audit trail says who did."""
    name = visit.given("conversation_id")
    done = await visit.act.call("POST", f"/admin/conversations/{name}/trust")
    return Redirect(f"{CONVERSATIONS.path}/{quote(name, safe='')}") if done.ok else await conversations(visit, _refusal(done))


async def services(visit: Visit) -> Response:
    """The integrated services and how they are."""
    status, offered = await asyncio.gather(visit.see.get("/services/status"), visit.see.get("/integrations"))
    return Html("services.html", {"status": status, "offered": offered})
