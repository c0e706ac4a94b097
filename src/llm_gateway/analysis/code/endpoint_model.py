"""What an endpoint is, and how paths are put together."""

from typing import Final, NamedTuple

VERBS: Final = ("get", "post", "put", "patch", "delete", "head", "options")


class Endpoint(NamedTuple):
    """One method and path, as the framework writes it. `method` ANY: all of them."""

    method: str
    path: str
    handler: str
    framework: str
    line: int


def joined(prefix: str, path: str) -> str:
    """A path below a prefix, with one slash between them and one at the beginning."""
    whole = "/".join(part.strip("/") for part in (prefix, path) if part.strip("/"))
    return "/" + whole + ("/" if path.endswith("/") and whole else "")
