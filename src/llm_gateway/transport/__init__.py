"""The one door out of the gateway."""

from llm_gateway.transport.client import Answer, Deadlines, Transport, UpstreamResponse

__all__ = ["Answer", "Deadlines", "Transport", "UpstreamResponse"]
