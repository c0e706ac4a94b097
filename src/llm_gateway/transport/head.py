"""The first lines of a request, as bytes. Source: RFC 9112 (HTTP/1.1) sections 3 and 5."""

import re
from typing import Final

from llm_gateway import __version__
from llm_gateway.core.errors import ConfigurationError, Internal
from llm_gateway.core.wire import HttpRequest

_NEVER: Final = frozenset(
    (
        "connection", "content-length", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""Framing and hop-by-hop names: they are the transport's own matter."""
_METHODS: Final = frozenset(("DELETE", "GET", "PATCH", "POST", "PUT"))
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_TARGET: Final = re.compile(r"/[!-\"$-~]*\Z")
"""A path with an optional query: visible ASCII without `#`."""
_OURS: Final = frozenset(("accept-encoding", "host", "user-agent"))
_AGENT_LINE: Final = f"user-agent: llm-gateway/{__version__}\r\n"
_MOST_KEPT: Final = 256
_LONGEST_KEPT: Final = 512
_LINE_BREAKS: Final = re.compile(r"[\r\n\0]")


class HeadWriter:
    """Writes heads for one origin.

    The headers are those of the `HttpRequest`, as given, and ours: host, content-length (when there is a body or the
    method takes one), accept-encoding: identity, and user-agent unless the request brings its own. A `host` of the
    request (a signature may list it) must be the one we send.
    """

    __slots__ = ("_accepted", "_authority", "_origin", "_targets", "_written")

    def __init__(self, origin: str, authority: str) -> None:
        self._origin = origin
        self._authority = authority
        self._accepted: dict[str, str] = {}
        self._targets: dict[str, str] = {}
        """Header names and URLs that were looked at already: to the lower-case form, to the request target."""
        self._written: dict[str, tuple[tuple[tuple[str, str], ...], str, bytes]] = {}
        """By URL: headers and method that a head was last written for, and the head. Most providers send the same tuple with every call."""

    def write(self, http: HttpRequest) -> bytes:
        """The request line and all headers, the empty line included.

        Raises:
            Internal: the method, the URL or a framing header is not one that a provider may set.
            ConfigurationError: a header name or value holds a character that HTTP forbids there.
        """
        url, headers, body = http.url, http.headers, http.body
        known = self._written.get(url)
        if known is not None and known[0] is headers and known[1] == http.method:
            head = known[2]
        else:
            head = self._lines(http)
            if known is not None or (len(self._written) < _MOST_KEPT and len(url) <= _LONGEST_KEPT):
                self._written[url] = (headers, http.method, head)
        return b"%bcontent-length: %d\r\n\r\n" % (head, len(body)) if body or http.method != "GET" else head + b"\r\n"

    def _lines(self, http: HttpRequest) -> bytes:
        """All lines but the last two."""
        target = self._targets.get(http.url) or self._target(http.url)
        if http.method not in _METHODS:
            raise Internal("a provider encoded a request with an unusable method or URL")
        lines = [f"{http.method} {target} HTTP/1.1\r\nhost: {self._authority}\r\naccept-encoding: identity\r\n"]
        own_agent = False
        for name, value in http.headers:
            lower = self._accepted.get(name) or self._accept(name)
            if lower in _OURS:
                own_agent = own_agent or lower == "user-agent"
                if lower == "host" and value != self._authority:
                    raise Internal("a provider encoded a request for another host than its own")
                if lower != "user-agent":
                    continue
            lines.append(f"{name}: {value}\r\n")
        if not own_agent:
            lines.append(_AGENT_LINE)
        count = len(lines) + 2  # the first holds three; one scan of the whole instead of one a value
        head = "".join(lines)
        if head.count("\n") != count or head.count("\r") != count or "\0" in head:
            raise _broken_value(http)
        try:
            return head.encode("latin-1")
        except UnicodeEncodeError:
            raise ConfigurationError("a header value holds a character outside Latin-1") from None

    def _target(self, url: str) -> str:
        target = url[len(self._origin) :] or "/"
        if target[0] == "?":
            target = "/" + target
        if not url.startswith(self._origin) or _TARGET.match(target) is None:
            raise Internal("a provider encoded a request with an unusable method or URL")
        if len(self._targets) < _MOST_KEPT:
            self._targets[url] = target
        return target

    def _accept(self, name: str) -> str:
        if _TOKEN.match(name) is None:
            raise ConfigurationError("a header name holds a character that HTTP forbids")
        lower = name.lower()
        if lower in _NEVER:
            raise Internal(f"a provider may not set the header {lower}")
        if len(self._accepted) < _MOST_KEPT:
            self._accepted[name] = lower
        return lower


def _broken_value(http: HttpRequest) -> ConfigurationError:
    name = next((name.lower() for name, value in http.headers if _LINE_BREAKS.search(value)), "")
    return ConfigurationError(f"the value of the header {name} holds a line break or NUL", param=name)
