"""The admin token: the operator's own, or one that is made at the first start."""

import hashlib
import hmac
import os
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from llm_gateway.core.errors import ConfigurationError
from llm_gateway.identity.secret_file import read_or_make

FILE_NAME: Final = "admin_token"
MIN_LENGTH: Final = 16
_RANDOM_BYTES: Final = 32
_LEFT_LENGTH: Final = 8
_LEFT_DISTINCT: Final = 5
"""What is left of a token without its well-known words must be this long, and have this many different characters."""

_WORDS: Final = (
    "administrator", "authorization", "qwertyuiop", "asdfghjkl", "changeme", "changeit", "password", "passphrase", "passwd", "credential",
    "default", "example", "letmein", "welcome", "gateway", "placeholder", "replace", "sample", "secret", "change", "insert", "qwerty",
    "master", "bearer", "zxcvbnm", "admin", "token", "root", "test", "your", "here", "this", "pass", "user", "demo", "dummy", "todo",
    "value", "with", "real", "long", "some", "very", "safe", "secure", "string", "random", "please", "llm", "key", "api", "the", "foo",
    "bar", "baz", "abcdefghijklmnopqrstuvwxyz", "abcdef", "abc", "0123456789", "1234567890", "123456789", "12345678", "123456", "deadbeef",
)  # fmt: skip
_WELL_KNOWN: Final = re.compile("|".join(sorted(map(re.escape, _WORDS), key=len, reverse=True)))


def weakness(token: str) -> str:
    """Why a token is too weak to guard anything; "" when it is not. Never says the token."""
    if len(token) < MIN_LENGTH:
        return f"has {len(token)} characters; expected {MIN_LENGTH} or more, best a random one"
    left = _WELL_KNOWN.sub("", re.sub(r"[^0-9a-z]", "", token.lower()))
    if len(left) < _LEFT_LENGTH or len(set(left)) < _LEFT_DISTINCT:
        return "is made of words that everybody tries; expected a random one"
    return ""


class AdminToken:
    """The token that opens the admin endpoints, and where it came from (`path` None: the configuration)."""

    __slots__ = ("_digest", "made", "path")

    def __init__(self, token: str, path: Path | None = None, *, made: bool = False) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()
        self.path = path
        self.made = made

    def __repr__(self) -> str:
        return f"AdminToken(path={self.path})"

    def matches(self, token: str) -> bool:
        """Whether this is the token; takes as long wherever the difference is, and whatever the length."""
        return hmac.compare_digest(self._digest, hashlib.sha256(token.encode()).digest())

    def bound(self, message: str) -> str:
        """A digest (hex) of a message that is another under another admin token."""
        return hmac.new(self._digest, message.encode(), hashlib.sha256).hexdigest()


def admin_token(configured: str, data_dir: Path) -> AdminToken:
    """The token of the configuration, else that of the data folder, made when there is none.

    Raises:
        ConfigurationError: it is too weak, or the folder cannot keep it.
    """
    if configured:
        if fault := weakness(configured):
            raise ConfigurationError(f"auth.admin_token: {fault}")
        return AdminToken(configured)
    path = data_dir / FILE_NAME
    content, made = read_or_make(path, lambda: urlsafe_b64encode(os.urandom(_RANDOM_BYTES)).rstrip(b"=") + b"\n")
    token = content.decode("utf-8", "replace").strip()
    if fault := weakness(token):
        raise ConfigurationError(f"the admin token in {path} {fault}: remove the file to have one made")
    return AdminToken(token, path, made=made)
