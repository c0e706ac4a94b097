"""What the detectors saw, and what it adds up to."""

from collections.abc import Iterable
from typing import Literal

import msgspec

PolicyAction = Literal["route", "redact", "block", "allow"]
"""What to do about a kind: send it to secure providers only, replace it reversibly, refuse it, or let it pass."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sign of sensitive matter. Never holds the matched text.

    `kind` is a dotted class (`secret.api_key`, `pii.card`, `marker.confidential`, `keyword.operator`), `place` a
    JSON-pointer-like path into the request (`/messages/2/content`), `confidence` in [0, 1], `rule` the rule's id.
    """

    kind: str
    place: str
    confidence: float
    rule: str = ""


class Sensitivity(msgspec.Struct, frozen=True):
    """The verdict on a request: `score` in [0, 1], `sensitive` when it reaches the threshold, and why.

    `failed` names what made a judgement impossible (error, timeout, unreadable part); it counts as sensitive.
    """

    score: float
    sensitive: bool
    findings: tuple[Finding, ...] = ()
    failed: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The distinct kinds found, sorted."""
        return tuple(sorted({finding.kind for finding in self.findings}))


def combined(findings: Iterable[Finding], threshold: float) -> Sensitivity:
    """The verdict on findings: noisy-or over their kinds, each counted once at its surest."""
    found = tuple(findings)
    surest: dict[str, float] = {}
    for finding in found:
        surest[finding.kind] = max(finding.confidence, surest.get(finding.kind, 0.0))
    score = noisy_or(surest.values())
    # Scores are compared as people write them: 0.7 reaches 0.7, whatever the last bit says.
    return Sensitivity(score, score >= threshold - 1e-9, found)


def noisy_or(confidences: Iterable[float]) -> float:
    """Combine independent evidence: 1 - Π(1 - c). Adding evidence never lowers it."""
    doubt = 1.0
    for confidence in confidences:
        doubt *= 1.0 - confidence
    return 1.0 - doubt
