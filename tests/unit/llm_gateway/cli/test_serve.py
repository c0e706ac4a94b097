"""Logs tell what failed and where, never what was being said."""

import subprocess
import sys

PROGRAM = """
import structlog
from llm_gateway.logs import configure_logs
configure_logs("info")
def fail(prompt):
    raise ValueError("went wrong")
try:
    fail("CANARY in a local variable")
except ValueError:
    structlog.get_logger().exception("serving failed")
"""


def test_a_traceback_in_the_log_shows_no_values() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "went wrong" in done.stderr
    assert '"name":"fail"' in done.stderr
    assert "CANARY in" not in done.stderr
