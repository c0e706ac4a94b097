"""Judges what a request says and seals where it may go.

The only maker of clearances. The eligible destinations are computed once, here, from content, conversation and
policy; retries, fallbacks and every later stage work with the sealed result and can only narrow it.

What cannot be judged counts as sensitive: a detector that fails or takes too long, a part that nobody can read.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import msgspec
import structlog

from llm_gateway.core.clearance import Clearance
from llm_gateway.core.errors import SensitiveContentBlocked
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.findings import Finding, Sensitivity, combined
from llm_gateway.core.routing import Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import KindPolicy, SecuritySettings
from llm_gateway.core.types import Chunk, Passthrough, Request, SecurityLevel
from llm_gateway.detectors.extraction import Extraction, extract
from llm_gateway.detectors.inspector import Inspector
from llm_gateway.redaction import Restorer, Vault, redacted

_log = structlog.get_logger(__name__)
_LOWEST = SecurityLevel.LOW
_ROUTE = KindPolicy()  # type: ignore[call-arg]  # pydantic fills the defaults
WEAK = 0.3
"""Findings below this confidence add to a score, but do not say by themselves which level a request needs or that it is blocked."""
UNREADABLE = "unreadable"
"""Family of the findings that stand for parts which cannot be read (`unreadable.image`, ...); a policy may name them."""
SCAN_CHARS = 4_096
SCAN_OVERLAP_CHARS = 512
"""Answers are judged in pieces of this size as they pass; each begins with the end of the one before."""


class SecurityFilter:
    """The stage.

    `destinations` are the configured providers' origins with their levels, `models` the operator's own names of models. `trusted`
    False: the detector failed its self-test, and is not believed when it says that something is harmless.
    """

    def __init__(
        self,
        settings: SecuritySettings,
        destinations: Iterable[Destination],
        inspector: Inspector,
        *,
        trusted: bool = True,
        models: frozenset[str] = frozenset(),
    ) -> None:
        self._settings = settings
        self._inspector = inspector
        self._models = models
        self._policies = {kind: _policy(policy) for kind, policy in settings.policies.items()}
        self._redacts = any(policy.action == "redact" for policy in self._policies.values())
        self._analyses = settings.auto_classification
        self._at_once_chars = settings.analysis_offload_chars
        self._ignores_unreadable = settings.unreadable_parts != "sensitive"
        self._callers = settings.callers
        everywhere = frozenset(destinations)
        self._floor = floor = SecurityLevel.LOW if trusted else settings.minimum_level
        self._eligible = {
            level: frozenset(d for d in everywhere if d.security_level.rank >= max(level.rank, floor.rank)) for level in SecurityLevel
        }
        self._everywhere = self._eligible[_LOWEST]
        named = settings.secure_only_models
        self._confined = {
            level: frozenset(d for d in places if not named or d.provider in named) for level, places in self._eligible.items()
        }
        self.policy_version = hashlib.blake2b(
            msgspec.json.encode([inspector.version, settings.model_dump(mode="json"), trusted], order="deterministic"), digest_size=8
        ).hexdigest()

    def __call__(self, exchange: Exchange, call_next: Next) -> Awaitable[Reply]:
        verdict = self.judged_at_once(exchange.request)
        if self._redacts or exchange.conversation_id is not None or isinstance(verdict, Extraction):
            return self._guarded(exchange, call_next, verdict)
        self._seal(exchange, verdict)  # as `_guarded`, where there is nothing to wait for and nothing to do with the answer
        return call_next(exchange)

    async def _guarded(self, exchange: Exchange, call_next: Next, verdict: Sensitivity | Extraction) -> Reply:
        vault = await self._cleared(exchange, verdict)
        reply = await call_next(exchange)
        # Scanned before values are put back: what a placeholder stands for was never with the provider.
        if exchange.conversation_id is not None and not exchange.tainted:
            reply.through(AnswerScan(exchange, self.is_sensitive))
        if vault is not None:
            reply.through(Restorer(vault))
        return reply

    async def clear(self, exchange: Exchange) -> Vault | None:
        """Judge the exchange's request as it stands now; set its sensitivity and clearance.

        Where the policy redacts a kind, the request is replaced by one with placeholders, and the vault that can put
        the values back is returned.

        Raises:
            SensitiveContentBlocked: the policy of a kind that was found says `block`.
        """
        return await self._cleared(exchange, self.judged_at_once(exchange.request))

    async def _cleared(self, exchange: Exchange, verdict: Sensitivity | Extraction) -> Vault | None:
        """`clear`, where the request is judged, or read, already."""
        sensitivity = verdict if isinstance(verdict, Sensitivity) else await self._judged_aside(verdict)
        vault = None
        if self._redacts and any(self._policy_of(kind).action == "redact" for kind in sensitivity.kinds):
            exchange.request, vault = redacted(exchange.request, self._to_redact, (text for _, text in extract(exchange.request).strings))
            exchange.redacted = True
            sensitivity = await self.judged(exchange.request)
        self._seal(exchange, sensitivity)
        return vault

    def _seal(self, exchange: Exchange, sensitivity: Sensitivity) -> None:
        exchange.sensitivity = sensitivity
        confined = sensitivity.sensitive or exchange.tainted
        if self._policies:
            self._block(sensitivity)
        if confined or exchange.minimum_level is not None or self._callers:
            level = self._level(exchange, sensitivity)
            places = self._confined[level] if confined else self._eligible[level]
        else:
            places = self._everywhere
        caller = exchange.caller
        exchange.clearance = seal(exchange.request, places, self.policy_version, caller.allowed_providers, caller.allowed_models)

    async def clear_for(self, request: Passthrough, place: Destination, exchange: Exchange) -> Clearance:
        """Judge what would leave for an integrated service elsewhere, and seal that it may go to `place`.

        `exchange` says for whom and how sensitive its matter is already; its own request is not looked at. Nothing is redacted: what a
        policy would redact counts as sensitive.

        Raises:
            SensitiveContentBlocked: the policy of a kind that was found says `block`, or the service is not trusted with it.
        """
        sensitivity = await self.judged(request)
        self._block(sensitivity)
        needed = self._level(exchange, sensitivity)
        if place.security_level.rank < max(needed.rank, self._floor.rank):
            raise SensitiveContentBlocked(
                f"{place.provider} is of level {place.security_level}, and this content needs {max(needed, self._floor, key=_rank)}"
            )
        return seal(request, frozenset({place}), self.policy_version)

    def _block(self, sensitivity: Sensitivity) -> None:
        if not sensitivity.sensitive:
            return
        blocked = sorted(kind for kind in _strong(sensitivity) if self._policy_of(kind).action == "block")
        if blocked:
            raise SensitiveContentBlocked(f"the policy blocks content of this kind: {', '.join(blocked)}")

    def _level(self, exchange: Exchange, sensitivity: Sensitivity) -> SecurityLevel:
        """The least level that may see the request: each reason can raise it, none can lower it."""
        levels = [_LOWEST]
        if sensitivity.sensitive:
            strong = _strong(sensitivity)
            levels += [self._policy_of(kind).minimum_level or self._settings.minimum_level for kind in strong]
            # A verdict without a strong finding (many weak ones, or a detector that failed) has no kind to ask.
            levels += [] if strong else [self._settings.minimum_level]
        if exchange.tainted:
            levels.append(self._settings.minimum_level)
        if exchange.minimum_level is not None:
            levels.append(exchange.minimum_level)
        if self._callers:
            levels.append(self._callers.get(exchange.caller.id, SecurityLevel.LOW))
        return max(levels, key=_rank)

    async def judged(self, request: Request) -> Sensitivity:
        """The verdict on a request; nothing is sealed, and no policy is acted upon."""
        verdict = self.judged_at_once(request)
        return verdict if isinstance(verdict, Sensitivity) else await self._judged_aside(verdict)

    def judged_at_once(self, request: Request) -> Sensitivity | Extraction:
        """The verdict, or what is to be judged, where that is too much to do on the event loop."""
        if not self._analyses:
            return Sensitivity(1.0, True, failed="classification is switched off")
        try:
            extraction = extract(request, self._models)
            chars = 0
            for _, text in extraction.strings:
                chars += len(text)
            return self._judge(extraction) if chars <= self._at_once_chars else extraction
        except Exception:
            return _failed()

    async def _judged_aside(self, extraction: Extraction) -> Sensitivity:
        try:
            async with asyncio.timeout(self._settings.analysis_timeout_s):
                return await asyncio.to_thread(self._judge, extraction)
        except TimeoutError:
            return Sensitivity(1.0, True, failed="the analysis took too long")
        except Exception:
            return _failed()

    async def judge_only(self, exchange: Exchange) -> Reply:
        """Note the verdict on the exchange's request; the reply says nothing."""
        exchange.sensitivity = await self.judged(exchange.request)
        return Reply(_nothing())

    def _judge(self, extraction: Extraction) -> Sensitivity:
        verdict = self._inspector.judge(extraction.strings)
        unreadable = () if self._ignores_unreadable else extraction.unreadable
        if not unreadable and not (self._policies and verdict.findings):
            return verdict
        findings = [finding for finding in verdict.findings if self._policy_of(finding.kind).action != "allow"]
        kinds = ((f"{UNREADABLE}.{part.kind}", part.place) for part in unreadable)
        findings += [Finding(kind, place, 1.0, UNREADABLE) for kind, place in kinds if self._policy_of(kind).action != "allow"]
        return combined(findings, self._settings.sensitivity_threshold)

    def is_sensitive(self, text: str) -> bool:
        """Whether an answer is sensitive; one that cannot be judged is."""
        try:
            return self._judge(Extraction([("/answer", text)], ())).sensitive
        except Exception:  # as above: what cannot be judged counts as sensitive
            _log.exception("the detector failed on an answer; its conversation counts as sensitive")
            return True

    def _to_redact(self, text: str) -> list[tuple[int, int, str]]:
        return [span for span in self._inspector.locate(text) if self._policy_of(span[2]).action == "redact"]

    def _policy_of(self, kind: str) -> KindPolicy:
        """The most specific policy that covers `kind`: that of `pii.email`, else that of `pii`."""
        while kind:
            found = self._policies.get(kind)
            if found is not None:
                return found
            kind = kind.rpartition(".")[0]
        return _ROUTE


def _policy(policy: str | KindPolicy) -> KindPolicy:
    return policy if isinstance(policy, KindPolicy) else KindPolicy.model_validate({"action": policy})


def _failed() -> Sensitivity:
    """The verdict when an exception is being handled: failing closed is the contract, whatever a detector does."""
    _log.exception("the detector failed; the request counts as sensitive")
    return Sensitivity(1.0, True, failed="the detector failed")


def _strong(sensitivity: Sensitivity) -> set[str]:
    return {finding.kind for finding in sensitivity.findings if finding.confidence >= WEAK}


def _rank(level: SecurityLevel) -> int:
    return level.rank


async def _nothing() -> AsyncIterator[Chunk]:
    no_chunks: tuple[Chunk, ...] = ()
    for chunk in no_chunks:
        yield chunk


class AnswerScan:
    """A `ReplyPart` that judges an answer as it passes: a sensitive one marks its conversation like a sensitive question."""

    __slots__ = ("_exchange", "_held", "_is_sensitive")

    def __init__(self, exchange: Exchange, is_sensitive: Callable[[str], bool]) -> None:
        self._exchange = exchange
        self._is_sensitive = is_sensitive
        self._held = ""

    def feed(self, chunk: Chunk) -> Iterable[Chunk]:
        self._held += chunk.text + "".join([call.arguments for call in chunk.tool_calls])
        if len(self._held) >= SCAN_CHARS:
            self._scan()
            self._held = self._held[-SCAN_OVERLAP_CHARS:]
        return (chunk,)

    def finish(self) -> Iterable[Chunk]:
        self._scan()
        return ()

    def _scan(self) -> None:
        if not self._exchange.tainted and self._held:
            self._exchange.tainted = self._is_sensitive(self._held)
