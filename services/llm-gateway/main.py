"""Start the gateway that the config.yaml beside this file describes: `python main.py`, from a bare checkout too.

Further arguments are those of `llm-gateway serve`: `python main.py --port 6000`.
"""

from __future__ import annotations  # a Python too old for the gateway still gets as far as saying so

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OLDEST_PYTHON = (3, 11)


def start(arguments: list[str]) -> int:
    """Run `llm-gateway serve` on this folder's configuration; the exit code."""
    if sys.version_info < OLDEST_PYTHON:
        return _refuse(f"needs Python {'.'.join(map(str, OLDEST_PYTHON))} or newer, this is {sys.version.split()[0]}")
    sys.path.insert(0, str(ROOT / "src"))
    try:
        from llm_gateway.__main__ import main  # noqa: PLC0415  # found only now
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package == "llm_gateway":
            raise
        return _refuse(f"this Python ({sys.executable}) lacks the package {package}")
    return main(["serve", "--config", str(HERE / "config.yaml"), *arguments])


def _refuse(reason: str) -> int:
    sys.stderr.write(f"llm-gateway: {reason}; run `make run` in {ROOT}: it installs what is needed and starts the gateway\n")
    return 1


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
