"""The workflow types that are there without being registered: what `X-Workflow-Type` may name."""

from types import MappingProxyType
from typing import Final

from llm_gateway.integrations.workflows.model import Step, Workflow

_CONTENT: Final = "${inputs.content}"
_QUERY: Final = "${inputs.query}"


def _known(query: str = _QUERY) -> tuple[Step, Step]:
    """What documents and memory know of a request; a run goes on without them."""
    return (
        Step("documents", "doc_store", "search", {"query": query, "limit": 5}, on_failure="continue"),
        Step("memory", "memory_agent", "retrieve_context", {"query": query, "limit": 3}, on_failure="continue"),
    )


BUILT_IN: Final = MappingProxyType(
    {
        workflow.name: workflow
        for workflow in (
            Workflow(
                "documentation_generation",
                (
                    Step("code", "code_analyzer", "analyze_code", {"content": _CONTENT}, on_failure="continue"),
                    Step("endpoints", "code_analyzer", "extract_endpoints", {"content": _CONTENT}, on_failure="continue"),
                    Step("style", "prompt_store", "get_optimized", {"task_type": "documentation"}, on_failure="continue"),
                    *_known(),
                ),
                "Documentation from code, with what is known already.",
            ),
            Workflow(
                "code_review",
                (
                    Step("code", "code_analyzer", "analyze_code", {"content": _CONTENT}),
                    Step("security", "secure_analyzer", "analyze_security", {"content": _CONTENT}, on_failure="continue"),
                    Step("style", "prompt_store", "get_optimized", {"task_type": "code_analysis"}, on_failure="continue"),
                    *_known(),
                ),
                "A review of code: structure, smells, security.",
            ),
            Workflow(
                "security_review",
                (
                    Step("security", "secure_analyzer", "analyze_security", {"content": _CONTENT}),
                    Step("compliance", "secure_analyzer", "check_compliance", {"content": _CONTENT}, on_failure="continue"),
                    Step("providers", "secure_analyzer", "get_secure_providers", {"content": _CONTENT}, on_failure="continue"),
                    Step("documents", "doc_store", "search", {"query": _QUERY, "limit": 5}, on_failure="continue"),
                ),
                "What is sensitive or weak in a text, and what the rules say about it.",
            ),
            Workflow(
                "summarization",
                (
                    Step("summary", "summarizer_hub", "summarize", {"content": _CONTENT}),
                    Step("about", "summarizer_hub", "generate_metadata", {"text": _CONTENT}, on_failure="continue"),
                ),
                "A summary of a text, and what it is about.",
            ),
            Workflow(
                "research",
                (
                    Step("meaning", "interpreter", "interpret_query", {"query": _QUERY}, on_failure="continue"),
                    *_known(),
                    Step("style", "prompt_store", "get_optimized", {"task_type": "analysis"}, on_failure="continue"),
                ),
                "What documents and memory know about a question.",
            ),
        )
    }
)
