"""Whether the gateway in this container answers: `python healthcheck.py [path]`, exit code 0 when it does. Needs Python alone."""

import http.client
import os
import sys

TIMEOUT_S = 5


def answers(port: int, path: str) -> bool:
    """Whether a GET on this machine is answered with 200 in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "/health"
    sys.exit(0 if answers(int(os.environ.get("LLM_GATEWAY_PORT") or 5055), asked) else 1)
