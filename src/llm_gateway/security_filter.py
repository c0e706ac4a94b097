"""Judges what a request says and seals where it may go.

The only maker of clearances. The eligible destinations are computed once, here, from content, conversation and
policy; retries, fallbacks and every later stage work with the sealed result and can only narrow it.
"""

import hashlib
from collections.abc import Iterable

import msgspec
import structlog

from llm_gateway.core.errors import SensitiveContentBlocked
from llm_gateway.core.exchange import Exchange, Next, Reply
from llm_gateway.core.findings import PolicyAction, Sensitivity
from llm_gateway.core.routing import Destination
from llm_gateway.core.seal import seal
from llm_gateway.core.settings import SecuritySettings
from llm_gateway.core.types import Request
from llm_gateway.detectors.extraction import strings_of
from llm_gateway.detectors.inspector import Inspector

_log = structlog.get_logger(__name__)


class SecurityFilter:
    """The stage. `destinations` are the configured providers' origins with their levels; `trusted` False: the detector is not."""

    def __init__(
        self, settings: SecuritySettings, destinations: Iterable[Destination], inspector: Inspector, *, trusted: bool = True
    ) -> None:
        self._settings = settings
        self._inspector = inspector
        everywhere = frozenset(destinations)
        secure = frozenset(d for d in everywhere if self._is_secure(d))
        # A detector that fails its self-test is not believed when it says that something is harmless.
        self._eligible = {False: everywhere if trusted else secure, True: secure}
        self.policy_version = hashlib.blake2b(
            msgspec.json.encode([inspector.version, settings.model_dump(mode="json")], order="deterministic"), digest_size=8
        ).hexdigest()

    def _is_secure(self, destination: Destination) -> bool:
        named = self._settings.secure_only_models
        return destination.security_level.rank >= self._settings.minimum_level.rank and (not named or destination.provider in named)

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        self.clear(exchange)
        return await call_next(exchange)

    def clear(self, exchange: Exchange) -> None:
        """Judge the exchange's request as it stands now, and set its sensitivity and clearance.

        Raises:
            SensitiveContentBlocked: the policy of a kind that was found says `block`.
        """
        sensitivity = self.judge(exchange.request)
        exchange.sensitivity = sensitivity
        blocked = [kind for kind in sensitivity.kinds if self._action(kind) == "block"]
        if blocked:
            raise SensitiveContentBlocked(f"the policy blocks content of this kind: {', '.join(blocked)}")
        confined = sensitivity.sensitive or exchange.tainted
        exchange.clearance = seal(exchange.request, self._eligible[confined], self.policy_version)

    def judge(self, request: Request) -> Sensitivity:
        """What the content of a request amounts to. Never raises: what cannot be judged counts as sensitive."""
        if not self._settings.auto_classification:
            return Sensitivity(1.0, True, failed="classification is switched off")
        try:
            return self._inspector.judge(strings_of(request))
        except Exception:  # failing closed is the contract, whatever a detector does
            _log.exception("the detector failed; the request counts as sensitive")
            return Sensitivity(1.0, True, failed="the detector failed")

    def _action(self, kind: str) -> PolicyAction:
        """The action of the most specific policy that covers `kind`: `pii.email`, then `pii`."""
        policies = self._settings.policies
        while kind:
            if kind in policies:
                return policies[kind]
            kind = kind.rpartition(".")[0]
        return "route"
