"""What bounds every request."""

import msgspec


class Bounds(msgspec.Struct, frozen=True):
    """Of `server` settings, what each request asks for: read once for a configuration."""

    max_body_bytes: int
    max_json_depth: int
    request_timeout_s: float
