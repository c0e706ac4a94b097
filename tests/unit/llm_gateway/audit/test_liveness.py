import subprocess
import sys
from pathlib import Path

from llm_gateway.audit.liveness import Liveness

CHILD = """
import sys, pathlib
from llm_gateway.audit.liveness import Liveness
Liveness(pathlib.Path(sys.argv[1])).hold("c")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_is_found_dead_and_a_living_one_alive(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        assert child.stdout.readline() == b"held\n"
        here = Liveness(tmp_path)
        assert here.take("c") == "alive"
        child.kill()
        child.wait()
        assert here.take("c") == "taken"
        assert Liveness(tmp_path).take("c") == "alive"  # by us, who have taken it over


def test_who_has_no_lock_here_is_unknown(tmp_path: Path) -> None:
    assert Liveness(tmp_path).take("c") == "unknown"


def test_a_settled_chain_leaves_no_file_and_another_one_does(tmp_path: Path) -> None:
    here = Liveness(tmp_path)
    here.hold("settled")
    here.hold("unsettled")
    here.release("settled", settled=True)
    here.release("unsettled", settled=False)
    assert [path.name for path in tmp_path.iterdir()] == ["audit-unsettled.lock"]
    assert Liveness(tmp_path).take("unsettled") == "taken"
