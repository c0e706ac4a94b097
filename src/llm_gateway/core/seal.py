"""Making clearances. An import contract lets the security filter (and public test helpers) in, nobody else."""

from llm_gateway.core import clearance
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import Request


def seal(
    request: Request,
    eligible: frozenset[Destination],
    policy_version: str,
    providers: frozenset[str] | None = None,
    models: frozenset[str] | None = None,
) -> clearance.Clearance:
    """A clearance for exactly `request`, to exactly the `eligible` destinations.

    `providers` and `models` are those that the caller's key may use (None: any): destinations of other providers are
    taken out here, and no bytes are made for another model.
    """
    if providers is not None:
        eligible = frozenset(place for place in eligible if place.provider in providers)
    granted = clearance.ANYTHING if providers is None and models is None else clearance.Granted(providers, models)
    return clearance.Clearance(clearance._encode(request), eligible, policy_version, clearance._TOKEN, granted)
