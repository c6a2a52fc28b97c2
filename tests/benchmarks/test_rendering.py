import types

from benchmarks import rendering
from benchmarks.rendering_runs import Sample


def test_of_all_verdicts_none_may_be_no_and_what_was_not_judged_does_not_count():
    found = {
        "rounds": [{"memory": {"flat": True}, "files": {"identical": True}}],
        "ray": {"killed": {"runs": [{"files": {"identical": False}}]}, "undisturbed": {"flat": None}},
    }
    assert rendering.passed(found) == [True, True, False]


def test_samples_are_written_and_not_printed():
    samples = [Sample(1.0, 5, 2.0, 3.0, 4)._asdict()]
    found = {"rounds": [{"seconds": 2, "samples": samples, "memory": {"samples": 1}}]}
    assert rendering.without_samples(found) == {"rounds": [{"seconds": 2, "memory": {"samples": 1}}]}


def test_on_a_cluster_one_node_is_lost_in_the_middle_and_the_command_is_killed_otherwise(monkeypatch):
    lost = []
    nodes = types.SimpleNamespace(lose=lambda: lost.append(True))
    monkeypatch.setattr(rendering, "kill", lambda process, how, rng: how)
    monkeypatch.setattr(rendering, "NODE_SECONDS", 0.0)
    killer = rendering.nodes_killer(nodes, 4, None)
    running = types.SimpleNamespace(poll=lambda: None)
    ended = types.SimpleNamespace(poll=lambda: 1)
    assert [killer(running, number) for number in (0, 1, 3)] == ["command"] * 3
    assert not lost
    assert killer(running, 2) == "node, and the command went on"
    assert killer(ended, 2) == "node"
    assert len(lost) == 2
