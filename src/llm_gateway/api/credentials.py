"""What an HTTP request says of its sender, unchecked."""

from llm_gateway.api.asgi import Scope, header
from llm_gateway.core.exchange import Credentials


def bearer_token(scope: Scope) -> str:
    """The key that a request shows: `Authorization: Bearer`, else `x-api-key`; "" for none."""
    authorization = header(scope, b"authorization") or ""
    if authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return header(scope, b"x-api-key") or ""


def credentials_of(scope: Scope, user_id: str | None = None) -> Credentials:
    """What a request says of its sender; `user_id` is what its body or query says."""
    client = scope.get("client")
    return Credentials(bearer_token(scope), user_id or header(scope, b"x-user-id") or "", client[0] if client else "")
