"""Making clearances. An import contract lets the security filter (and public test helpers) in, nobody else."""

from llm_gateway.core import clearance
from llm_gateway.core.routing import Destination
from llm_gateway.core.types import Request


def seal(request: Request, eligible: frozenset[Destination], policy_version: str) -> clearance.Clearance:
    """A clearance for exactly `request`, to exactly the `eligible` destinations."""
    return clearance.Clearance(clearance.digest(request), eligible, policy_version, clearance._TOKEN)
