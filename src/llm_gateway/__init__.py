"""LLM Gateway: one door to every model."""

__version__ = "1.0.0"
