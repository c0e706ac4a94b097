"""What an HTTP request says of its sender, unchecked."""

from llm_gateway.api.asgi import Scope, fields_of
from llm_gateway.core.exchange import Credentials


def bearer_token(scope: Scope) -> str:
    """The key that a request shows: `Authorization: Bearer`, else `x-api-key`; "" for none."""
    return _token_in(fields_of(scope))


def _token_in(fields: dict[bytes, bytes]) -> str:
    authorization = fields.get(b"authorization", b"").decode("latin-1")
    if authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return fields.get(b"x-api-key", b"").decode("latin-1")


def credentials_of(scope: Scope, user_id: str | None = None) -> Credentials:
    """What a request says of its sender; `user_id` is what its body or query says."""
    return credentials_in(fields_of(scope), scope, user_id)


def credentials_in(fields: dict[bytes, bytes], scope: Scope, user_id: str | None) -> Credentials:
    """As `credentials_of`, for who has the request's `fields_of` already."""
    token = _token_in(fields) if b"authorization" in fields or b"x-api-key" in fields else ""
    if not user_id:
        user_id = fields[b"x-user-id"].decode("latin-1") if b"x-user-id" in fields else ""
    client = scope.get("client")
    return Credentials(token, user_id, client[0] if client else "")
