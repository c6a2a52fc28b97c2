import subprocess
import sys

from tests import counted


def test_what_a_process_holds_is_told_by_process_cache_and_kind_of_object():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        held = counted.held()
        child.stdin.close()
    assert held["megabytes"].keys() > {str(child.pid)}
    assert held["objects"] > 1000
    assert len(held["types"]) == counted.TYPES
    assert all(filled >= 0 for filled, _ in held["caches"].values())
