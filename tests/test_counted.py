import subprocess
import sys

from tests import counted


def test_what_a_process_holds_is_told_by_process_cache_and_kind_of_object():
    kept = [[] for _ in range(2000)]
    program = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as child:
        held = counted.held()
        child.stdin.close()
    assert held["megabytes"].keys() > {str(child.pid)}
    assert held["objects"] >= held["types"]["list"] >= len(kept)
    assert all(filled >= 0 for filled, _ in held["caches"].values())
