"""Says who a call is counted against."""

from llm_gateway.core.exchange import ANONYMOUS, Caller, Credentials, Exchange, Next, Reply


class Authenticator:
    """The stage. Without API keys a caller is who it says it is: `user_id`, the `X-User-Id` header, or `anonymous`."""

    async def __call__(self, exchange: Exchange, call_next: Next) -> Reply:
        exchange.caller = self.identify(exchange.credentials)
        return await call_next(exchange)

    def identify(self, credentials: Credentials) -> Caller:
        """The caller behind what a request says of its sender."""
        return Caller(credentials.user_id) if credentials.user_id else ANONYMOUS
