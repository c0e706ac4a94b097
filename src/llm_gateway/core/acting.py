"""Which request is being served, for what is written down about acts that are no model calls."""

from contextvars import ContextVar
from typing import Final

correlation: Final[ContextVar[str]] = ContextVar("llm_gateway_correlation_id", default="")
"""The correlation id of the request that this task serves; "" where it serves none."""
