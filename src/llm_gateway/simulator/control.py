"""The control port: reads the log and the ledger, sets faults and pace, closes and opens upstreams.

    GET    /health                     {"status", "version", "running": [kind]}
    GET    /log?kind=&since=           {"entries": [...], "dropped"}     DELETE /log    empties log and ledger
    GET    /counts                     {kind: {"received", "models": {model: totals}}}
    GET    /faults                     {"rules": [{"rule", "seen", "applied"}]}
    POST   /faults                     a rule, a list of rules, or {"rules": [...]}    DELETE /faults
    POST   /latency                    "none", "lifelike", or {kind: {"first_byte_s", "per_chunk_s", "jitter"}}
    POST   /replies                    a list of recorded replies, in place of those before
    POST   /stop/{kind}[?mode=close|blackhole], POST /start/{kind}

A wrong request gets 400 with {"error"}; the message names the field.
"""

from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec

from llm_gateway import __version__
from llm_gateway.simulator.config import ConfigurationError, Latency, latency_of
from llm_gateway.simulator.delivery import Delivery
from llm_gateway.simulator.exchange import Answer, Bill, Kind, json_answer
from llm_gateway.simulator.faults import FaultRule
from llm_gateway.simulator.journal import Entry, Outcome
from llm_gateway.simulator.mind import RecordedReply
from llm_gateway.simulator.upstream import Shared


class _Rules(msgspec.Struct, forbid_unknown_fields=True):
    rules: list[FaultRule]


_RULES = msgspec.json.Decoder(list[FaultRule])
_ONE = msgspec.json.Decoder(FaultRule)
_WRAPPED = msgspec.json.Decoder(_Rules)
_LATENCY = msgspec.json.Decoder(str | dict[Kind, Latency])
_REPLIES = msgspec.json.Decoder(list[RecordedReply])


class Control:
    """Answers the control port; `stop(kind, mode)`, `start(kind)` and `running()` are the listeners' side."""

    def __init__(
        self, shared: Shared, stop: Callable[[str, str], None], start: Callable[[str], None], running: Callable[[], list[Kind]]
    ) -> None:
        self._shared = shared
        self._stop = stop
        self._start = start
        self._running = running

    def receive(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> tuple[Answer | Delivery, Entry | None]:
        """The answer to a command."""
        path, _, query = target.partition("?")
        if any(name == "origin" for name, _ in headers):
            return _wrong(403, "the control port takes no requests from web pages"), None
        try:
            return self._command(method, path, parse_qs(query), body), None
        except (msgspec.DecodeError, ConfigurationError, ValueError) as error:
            return _wrong(400, str(error)), None
        except OSError as error:
            return _wrong(409, f"the port cannot be opened: {error.strerror}"), None

    def finished(self, entry: Entry, outcome: Outcome, bill: Bill | None, output_tokens: int | None) -> None:
        """Commands are not logged."""

    def _command(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> Answer:
        shared = self._shared
        match method, path.strip("/").split("/"):
            case "GET", ["health"]:
                return json_answer({"status": "ok", "version": __version__, "running": self._running()})
            case "GET", ["log"]:
                entries = shared.journal.entries(query.get("kind", [""])[0], int(query.get("since", ["0"])[0]))
                return json_answer({"entries": [entry.shown() for entry in entries], "dropped": shared.journal.dropped})
            case "DELETE", ["log"]:
                shared.journal.clear()
            case "GET", ["counts"]:
                kinds = {*shared.journal.received, *shared.journal.totals}
                journal = shared.journal
                return json_answer(
                    {kind: {"received": journal.received.get(kind, 0), "models": journal.totals.get(kind, {})} for kind in kinds}
                )
            case "GET", ["faults"]:
                return json_answer({"rules": shared.faults.state()})
            case "POST", ["faults"]:
                shared.faults.add(_rules(body))
            case "DELETE", ["faults"]:
                shared.faults.clear()
            case "POST", ["latency"]:
                shared.latency = dict(latency_of(_LATENCY.decode(body)))
            case "POST", ["replies"]:
                shared.world.replies = tuple(_REPLIES.decode(body))
            case "POST", ["stop", kind]:
                self._stop(kind, query.get("mode", ["close"])[0])
            case "POST", ["start", kind]:
                self._start(kind)
            case _:
                return _wrong(404, f"no such command: {method} {path}")
        return json_answer({"ok": True})


def _rules(body: bytes) -> list[FaultRule]:
    start = body.lstrip()[:1]
    if start == b"[":
        return _RULES.decode(body)
    try:
        return _WRAPPED.decode(body).rules
    except msgspec.ValidationError:
        return [_ONE.decode(body)]


def _wrong(status: int, message: str) -> Answer:
    return json_answer({"error": message}, status=status)
