"""HTTP endpoints that code declares: FastAPI, Flask, Django, Express, Spring, Go net/http and gin, Rails."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from llm_gateway.analysis.code.endpoint_model import Endpoint
from llm_gateway.analysis.code.endpoints_go import go_endpoints
from llm_gateway.analysis.code.endpoints_java import spring_endpoints
from llm_gateway.analysis.code.endpoints_javascript import express_endpoints
from llm_gateway.analysis.code.endpoints_python import python_endpoints
from llm_gateway.analysis.code.endpoints_ruby import rails_endpoints
from llm_gateway.analysis.code.trees import Language, tree
from llm_gateway.core.errors import InvalidRequest

if TYPE_CHECKING:
    from ast_grep_py import SgNode

READERS: Final[dict[Language, Callable[["SgNode"], list[Endpoint]]]] = {
    "python": python_endpoints,
    "javascript": express_endpoints,
    "typescript": express_endpoints,
    "tsx": express_endpoints,
    "java": spring_endpoints,
    "go": go_endpoints,
    "ruby": rails_endpoints,
}


def endpoints(content: str, language: Language) -> list[Endpoint]:
    """The endpoints, in the text's order.

    Raises:
        InvalidRequest: no framework of the language is known, the text is too long, or the library is not installed.
    """
    reader = READERS.get(language)
    if reader is None:
        raise InvalidRequest(f"language: endpoints are known of {', '.join(READERS)}", param="language")
    found = reader(tree(content, language, "extract_endpoints"))
    return sorted(dict.fromkeys(found), key=lambda each: (each.line, each.path, each.method))[:2_000]
