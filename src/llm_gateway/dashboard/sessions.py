"""Who visits: sessions as sealed cookies, and the checks that keep other sites' pages from acting in a visitor's name.

A cookie holds who signed in and until when, under a MAC that is made with the gateway's pepper and its admin token: nothing is
kept on the server, every worker and replica with the same secrets knows it, and a new admin token ends all sessions. The cookie
opens nothing but these pages; the API takes no cookies.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final
from urllib.parse import urlsplit

import msgspec

from llm_gateway.api.access import is_local
from llm_gateway.api.asgi import Scope, header
from llm_gateway.authenticator import ADMIN, Authenticator
from llm_gateway.core.clock import Clock
from llm_gateway.core.errors import Forbidden
from llm_gateway.core.exchange import Caller, Credentials
from llm_gateway.dashboard.door import PATH
from llm_gateway.gateway import Gateway

COOKIE: Final = "llm_gateway_dashboard"
LASTS_S: Final = 12 * 3600
_ONLOOKER: Final = "onlooker"
_encode = msgspec.json.Encoder().encode


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a cookie says. `key_id` is "" for the administrator; `mark` is random and ties forms to the session."""

    expires_s: int
    key_id: str
    mark: str


_decoder: Final = msgspec.json.Decoder(Session)


class Visitor(msgspec.Struct, frozen=True):
    """Who looks at the pages.

    `reading` is who they see as, `acting` who they change things as (None: as anybody who calls an open gateway). `csrf` must
    come back with every form.
    """

    reading: Caller
    acting: Caller | None
    csrf: str
    is_signed_in: bool

    @property
    def is_admin(self) -> bool:
        """Whether they may change what administrators change."""
        return self.acting is not None and self.acting.is_admin


def sign_in(authenticator: Authenticator, token: str, address: str) -> Caller:
    """Who a token stands for: the administrator, or the holder of an API key.

    Raises:
        Unauthenticated, RateLimited: nobody.
    """
    try:
        return authenticator.identify_admin(Credentials(token, "", address))
    except Forbidden:
        return authenticator.identify(Credentials(token, "", address))


class Sessions:
    """Seals and opens cookies with the secrets of the gateway as it is now."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._authenticator = gateway.authenticator
        self._pepper = gateway.shared.keys.pepper
        self._now_s = clock.wall_s()

    def cookie(self, caller: Caller, mark: str) -> str:
        """The value of a cookie for somebody who has just signed in; `mark` is random."""
        session = Session(int(self._now_s) + LASTS_S, "" if caller.is_admin else caller.key_id, mark)
        body = urlsafe_b64encode(_encode(session)).decode().rstrip("=")
        return f"{body}.{self._mac('session', body)}"

    def visitor(self, scope: Scope) -> Visitor | None:
        """Who sends a request: whoever signed in, else, where no keys are configured, whoever sits at this machine."""
        session = self._opened(cookie_of(scope))
        caller = None if session is None else self._caller(session)
        if session is not None and caller is not None:
            return Visitor(caller, caller, self._mac("form", session.mark), True)
        if self._authenticator.is_open and is_local(scope):
            return Visitor(ADMIN, None, self._mac("form", _ONLOOKER), False)
        return None

    def _opened(self, cookie: str) -> Session | None:
        body, _, mac = cookie.partition(".")
        if not mac or not hmac.compare_digest(mac.encode(), self._mac("session", body).encode()):
            return None
        session = _decoder.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return session if self._now_s < session.expires_s else None

    def _caller(self, session: Session) -> Caller | None:
        if not session.key_id:
            return ADMIN
        key = self._authenticator.key(session.key_id)
        ends_s = None if key is None else key.grant.expires_s
        return None if key is None or (ends_s is not None and ends_s <= self._now_s) else key.caller()

    def _mac(self, purpose: str, text: str) -> str:
        return self._pepper.of(f"dashboard {purpose} " + self._authenticator.admin.bound(text)).hex()


def cookie_of(scope: Scope) -> str:
    """Our cookie in a request; "" when there is none."""
    for part in (header(scope, b"cookie") or "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def set_cookie(value: str, scope: Scope) -> str:
    """The header that keeps a session ("": ends it). Over TLS, as the browser tells by its own origin, it stays with TLS."""
    secure = "; Secure" if (header(scope, b"origin") or "").startswith("https://") else ""
    age = LASTS_S if value else 0
    return f"{COOKIE}={value}; Path={PATH}; HttpOnly; SameSite=Strict; Max-Age={age}{secure}"


def is_from_here(scope: Scope) -> bool:
    """Whether a request that changes something comes from one of our own pages, as the browser tells (Fetch Metadata; RFC 6454)."""
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = header(scope, b"origin")
    return origin is not None and urlsplit(origin).netloc == header(scope, b"host")
