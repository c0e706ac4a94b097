"""Names selected by a pattern in time linear to the name, whatever the pattern."""

from collections.abc import Callable
from typing import Final

import re2

from llm_gateway.core.errors import InvalidRequest

MAX_PATTERN_CHARACTERS: Final = 512


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole name matches: `*` stands for any characters, `?` for one, all others for themselves.

    Raises:
        InvalidRequest: the pattern is too long.
    """
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise InvalidRequest(f"pattern: expected at most {MAX_PATTERN_CHARACTERS} characters", param="pattern")
    parts = {"*": ".*", "?": "."}
    compiled = re2.compile("(?s)" + "".join([parts.get(letter) or re2.escape(letter) for letter in pattern]))
    return lambda name: compiled.fullmatch(name) is not None
