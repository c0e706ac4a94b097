"""One OpenAPI document for all endpoints: the model calls, whose types are msgspec's, join FastAPI's."""

from typing import Any

import msgspec

from llm_gateway.api.admin import KeyBody
from llm_gateway.api.bodies import CacheClearBody
from llm_gateway.api.budgets import BudgetChange, BudgetLimitBody
from llm_gateway.api.integrations import WorkflowBody
from llm_gateway.api.native_schema import ChatBody, EmbeddingsBody, QueryBody

_JSON = "application/json"

_USAGE: dict[str, Any] = {
    "type": ["object", "null"],
    "properties": {
        name: {"type": "integer"}
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    }
    | {"estimated": {"type": "boolean", "description": "Counted by the gateway: the provider gave no figures."}},
}
_ACCOUNTING: dict[str, Any] = {
    "provider": {"type": "string"},
    "model": {"type": "string"},
    "tokens_used": {"type": "integer", "description": "Input and output tokens."},
    "cost": {"type": ["number", "null"], "description": "USD; null where the price is unknown."},
    "cached": {"type": "boolean"},
    "correlation_id": {"type": "string"},
    "usage": _USAGE,
    "sensitivity": {
        "type": ["object", "null"],
        "properties": {
            "score": {"type": "number"},
            "sensitive": {"type": "boolean"},
            "kinds": {"type": "array", "items": {"type": "string"}},
        },
    },
    "route": {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "attempts": {
                "type": "array",
                "items": {"type": "object"},
                "description": "Every call made: provider, model, outcome, duration.",
            },
        },
    },
}
_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "response": {"type": "string"},
        "processing_time": {"type": "number", "description": "Seconds."},
        "finish_reason": {"type": ["string", "null"]},
        "tool_calls": {"type": "array", "items": {"type": "object"}},
        **_ACCOUNTING,
    },
}
_CHAT_ANSWER: dict[str, Any] = {"type": "object", "properties": _ANSWER["properties"] | {"conversation_id": {"type": "string"}}}
_ENRICHED_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": _CHAT_ANSWER["properties"]
    | {
        "integrations": {
            "type": "object",
            "description": "Which services took part, what each contributed, how long it took, and what the answer does without.",
            "properties": {
                "used": {"type": "array", "items": {"type": "string"}},
                "degraded": {"type": "array", "items": {"type": "object"}},
                "skipped": {"type": "array", "items": {"type": "object"}},
                "contributions": {"type": "array", "items": {"type": "object"}},
                "took": {"type": "number", "description": "Seconds."},
            },
        },
        "workflow": {"type": "object", "description": "The run, for `/workflow-query`."},
    },
}
_VECTOR: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_EMBEDDINGS_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "embeddings": {
            "oneOf": [_VECTOR, {"type": "array", "items": _VECTOR}],
            "description": "A list of vectors where `text` was a list.",
        },
        "dimensions": {"type": "integer"},
        **_ACCOUNTING,
    },
}
_CALLS: tuple[tuple[str, str, type[msgspec.Struct], dict[str, Any] | None], ...] = (
    ("/query", "Ask a model, wherever the content may go", QueryBody, _ANSWER),
    ("/chat", "Ask within a conversation that the gateway remembers", ChatBody, _CHAT_ANSWER),
    ("/stream", "Ask and read the answer as server-sent events", QueryBody, None),
    ("/embeddings", "Vectors for texts", EmbeddingsBody, _EMBEDDINGS_ANSWER),
    ("/enhanced-query", "Ask with what the integrated services know: meaning, documents, memory, prompts", ChatBody, _ENRICHED_ANSWER),
    ("/contextual-query", "Ask with the conversation and the documents that fit `context.search_terms`", ChatBody, _ENRICHED_ANSWER),
    ("/workflow-query", "Run a workflow (X-Workflow-Type) and answer from its results", WorkflowBody, _ENRICHED_ANSWER),
)

_OPENAI = "https://platform.openai.com/docs/api-reference"
_ANTHROPIC = "https://platform.claude.com/docs/en/api"
_OLLAMA = "https://github.com/ollama/ollama/blob/main/docs/api.md"
_DROP_INS: tuple[tuple[str, str, str, str, str], ...] = (
    ("post", "/v1/chat/completions", "OpenAI: a chat completion, streamed or not", "OpenAI", f"{_OPENAI}/chat/create"),
    ("post", "/v1/completions", "OpenAI: a legacy completion", "OpenAI", f"{_OPENAI}/completions/create"),
    ("post", "/v1/embeddings", "OpenAI: vectors for texts", "OpenAI", f"{_OPENAI}/embeddings/create"),
    ("post", "/v1/responses", "OpenAI: a response, streamed or not", "OpenAI", f"{_OPENAI}/responses/create"),
    ("get", "/v1/responses/{response_id}", "OpenAI: read a stored response", "OpenAI", f"{_OPENAI}/responses/get"),
    ("delete", "/v1/responses/{response_id}", "OpenAI: erase a stored response", "OpenAI", f"{_OPENAI}/responses/delete"),
    ("get", "/v1/models", "OpenAI: what can be asked for as `model`", "OpenAI", f"{_OPENAI}/models/list"),
    ("get", "/v1/models/{model}", "OpenAI: one model", "OpenAI", f"{_OPENAI}/models/retrieve"),
    ("post", "/v1/moderations", "OpenAI: what the gateway's detectors find in a text", "OpenAI", f"{_OPENAI}/moderations/create"),
    ("post", "/v1/messages", "Anthropic: a message, streamed or not", "Anthropic", f"{_ANTHROPIC}/messages"),
    (
        "post", "/v1/messages/count_tokens", "Anthropic: the tokens of a message, as the gateway estimates them", "Anthropic",
        f"{_ANTHROPIC}/messages-count-tokens",
    ),
    ("post", "/api/chat", "Ollama: a chat, streamed or not", "Ollama", _OLLAMA),
    ("post", "/api/generate", "Ollama: a completion, streamed or not", "Ollama", _OLLAMA),
    ("post", "/api/embed", "Ollama: vectors for texts", "Ollama", _OLLAMA),
    ("post", "/api/embeddings", "Ollama: a vector for a text (legacy)", "Ollama", _OLLAMA),
    ("get", "/api/tags", "Ollama: what can be asked for as `model`", "Ollama", _OLLAMA),
    ("post", "/api/show", "Ollama: one model", "Ollama", _OLLAMA),
    ("get", "/api/ps", "Ollama: models loaded in the gateway itself: none", "Ollama", _OLLAMA),
    ("get", "/api/version", "Ollama: the release whose API is spoken here", "Ollama", _OLLAMA),
    *(
        (method, f"/{vendor.lower()}/{{path}}", f"{vendor}: any other operation, passed to the provider of that name", vendor, reference)
        for vendor, reference in (("OpenAI", _OPENAI), ("Anthropic", _ANTHROPIC))
        for method in ("get", "post", "put", "patch", "delete")
    ),
)  # fmt: skip
"""Endpoints of other APIs, whose own references describe their bodies: method, path, summary, tag, reference."""


_SERVICE_PATH = "/integrations/{service}/{operation}"
_SERVICE_OPERATION: dict[str, Any] = {
    "summary": "One operation of an integrated service: GET /integrations has the schema of each",
    "tags": ["integrated services"],
    "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in ("service", "operation")],
    "requestBody": {"required": False, "content": {_JSON: {"schema": {"type": "object"}}}},
    "responses": {
        "200": {"description": "The result, and which way it came.", "content": {_JSON: {"schema": {"type": "object"}}}},
        "default": {"description": "Any failure.", "content": {_JSON: {"schema": {"$ref": "#/components/schemas/ErrorDocument"}}}},
    },
}


def with_model_calls(openapi: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document with the model calls added."""
    _, components = msgspec.json.schema_components(
        [*(call[2] for call in _CALLS), KeyBody, BudgetLimitBody, BudgetChange, CacheClearBody], ref_template="#/components/schemas/{name}"
    )
    paths = {path: {"post": _operation(summary, body, answer)} for path, summary, body, answer in _CALLS}
    paths[_SERVICE_PATH] = {"post": _SERVICE_OPERATION}
    for method, path, summary, tag, reference in _DROP_INS:
        paths.setdefault(path, {})[method] = _drop_in(method, path, summary, tag, reference)
    schemas = openapi.get("components", {}).get("schemas", {})
    return openapi | {
        "paths": paths | openapi["paths"],
        "components": openapi.get("components", {}) | {"schemas": schemas | components},
    }


def _drop_in(method: str, path: str, summary: str, tag: str, reference: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": [tag],
        "externalDocs": {"url": reference},
        "responses": {"200": {"description": "The answer.", "content": {_JSON: {"schema": {"type": "object"}}}}},
    }
    name = path.partition("{")[2].rstrip("}")
    if name:
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
    if method == "post":
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": {"type": "object"}}}}
    return operation


def _operation(summary: str, body: type[msgspec.Struct], answer: dict[str, Any] | None) -> dict[str, Any]:
    content: dict[str, Any] = (
        {_JSON: {"schema": answer}}
        if answer
        else {"text/event-stream": {"schema": {"type": "string", "description": "Frames of `{chunk, finished}`, then [DONE]."}}}
    )
    return {
        "summary": summary,
        "tags": ["model calls"],
        "parameters": [
            {"name": "X-Correlation-Id", "in": "header", "schema": {"type": "string"}, "description": "Your own id for this call."},
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "maxLength": 255},
                "description": "A repetition with the same key and body gets the first call's answer.",
            },
            {"name": "X-User-Id", "in": "header", "schema": {"type": "string"}, "description": "Who to count the call against."},
            {
                "name": "X-Gateway-Strategy",
                "in": "header",
                "schema": {"type": "string"},
                "description": "How to rank providers, this once.",
            },
        ],
        "requestBody": {"required": True, "content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}},
        "responses": {
            "200": {"description": "The answer.", "content": content},
            "default": {"description": "Any failure.", "content": {_JSON: {"schema": {"$ref": "#/components/schemas/ErrorDocument"}}}},
        },
    }
