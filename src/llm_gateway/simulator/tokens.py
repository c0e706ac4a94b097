"""The simulator's own token rule, the same for every kind: a token is four bytes of UTF-8, begun ones count.

Sums are taken over bytes first and divided once, so that cutting a text into pieces does not change its count.
"""

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 85


def tokens_of_bytes(size_bytes: int) -> int:
    """Tokens of that many bytes of text."""
    return -(-size_bytes // BYTES_PER_TOKEN)


def size_of(text: str) -> int:
    """Length of `text` in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def tokens_of(text: str) -> int:
    """Tokens of one text."""
    return tokens_of_bytes(size_of(text))


def first_tokens(text: str, limit_tokens: int) -> str:
    """The longest beginning of `text` that has no more than `limit_tokens` tokens and splits no character."""
    raw = text.encode()
    return text if len(raw) <= limit_tokens * BYTES_PER_TOKEN else raw[: limit_tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")


def token_bytes(text: str) -> list[bytes]:
    """`text` as its tokens; a token may end inside a character, as real ones do."""
    raw = text.encode()
    return [raw[start : start + BYTES_PER_TOKEN] for start in range(0, len(raw), BYTES_PER_TOKEN)]
