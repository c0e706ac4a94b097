"""Settings as rules: which accounts a request is counted in, and what each grants."""

from hashlib import blake2b
from typing import Final

from llm_gateway.core.counters import UNLIMITED, Rules
from llm_gateway.core.settings import ScopeLimits, Settings, TierLimits

DEFAULT_TIER: Final = "default"
OVERALL: Final = "overall"
_MAX_NAME: Final = 64


def rules_of_tier(limits: TierLimits) -> Rules:
    """What a caller of a tier is granted."""
    requests = (limits.burst_limit, limits.requests_per_minute, limits.requests_per_hour)
    return Rules(requests, limits.tokens_per_minute, round(limits.cooldown_seconds * 1_000_000), weight=limits.weight)


def rules_of_scope(limits: ScopeLimits, *, shared: bool = False) -> Rules:
    """What a provider, a model, a key or everything together (`shared` by all callers) is granted."""

    def number(limit: int | None) -> int:
        return UNLIMITED if limit is None else min(limit, UNLIMITED)

    requests = (number(limits.burst_limit), number(limits.requests_per_minute), number(limits.requests_per_hour))
    return Rules(requests, number(limits.tokens_per_minute), weight=0 if shared else 1)


def scope(kind: str, name: str) -> str:
    """The name of an account: `caller:alice`. Callers choose their names, so long ones are kept as a digest."""
    if len(name) <= _MAX_NAME:
        return f"{kind}:{name}"
    return f"{kind}:#{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=24).hexdigest()}"


class RuleBook:
    """The rules of one configuration. Scopes without any limit do not appear."""

    def __init__(self, settings: Settings) -> None:
        self.tiers = {name: rules_of_tier(limits) for name, limits in settings.rate_limiting.items()}
        self.tiers.setdefault(DEFAULT_TIER, rules_of_tier(TierLimits()))  # type: ignore[call-arg]
        self._tier_of_caller = settings.limits.callers
        self.overall = rules_of_scope(settings.limits.overall, shared=True)
        self.keys = _limited(settings.limits.keys)
        self.models = _limited(settings.limits.models)
        self.providers = _limited({name: provider.limits for name, provider in settings.providers.items()})

    def tier(self, caller_id: str, tier: str) -> str:
        """The tier that counts for a caller: that of its key, else the one configured for it, else `default`."""
        if tier == DEFAULT_TIER:
            tier = self._tier_of_caller.get(caller_id, tier)
        return tier if tier in self.tiers else DEFAULT_TIER


def _limited(sections: dict[str, ScopeLimits]) -> dict[str, Rules]:
    return {name: rules for name, limits in sections.items() if not (rules := rules_of_scope(limits)).is_open}
