"""One OpenAPI document for all endpoints: the model calls, whose types are msgspec's, join FastAPI's."""

from typing import Any

import msgspec

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
)


def with_model_calls(openapi: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document with the model calls added."""
    _, components = msgspec.json.schema_components([call[2] for call in _CALLS], ref_template="#/components/schemas/{name}")
    paths = {path: {"post": _operation(summary, body, answer)} for path, summary, body, answer in _CALLS}
    schemas = openapi.get("components", {}).get("schemas", {})
    return openapi | {
        "paths": paths | openapi["paths"],
        "components": openapi.get("components", {}) | {"schemas": schemas | components},
    }


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
