from benchmarks import ray_scaling
from benchmarks.ray_scaling import SERVERS, program, table


def rows(rates):
    return [
        {"round": number, "server": server, "load": "21x16", "rate": rate, "p50_ms": 1000 / rate}
        | {"refused": number, "broken": 0}
        for number, of_round in enumerate(rates)
        for server, rate in zip(SERVERS, of_round, strict=True)
    ]


def test_a_second_replica_is_set_beside_the_first_round_by_round():
    (_, line) = table(rows([(500, 100, 150), (400, 200, 400), (600, 100, 170)]))
    # Medians of 500, 100 and 170; rounds of 1.5, 2 and 1.7; none, three and six answers refused.
    assert line == ["21x16", "500", "100", "170", "1.70 (1.50 to 2.00)", "10.0", "5.9", "9"]


def test_what_was_not_measured_is_not_a_number():
    (_, line) = table([row for row in rows([(500, 100, 150)]) if row["server"] != "plain"])
    assert line[:5] == ["21x16", "nan", "100", "150", "1.50"]


def test_replicas_are_started_by_ray_behind_the_proxy_that_is_asked_for():
    assert "serve" in program("plain", haproxy=False).command
    assert program("2 replicas", haproxy=False).command[1:] == [
        *("-m", "benchmarks.ray_replicas", "{port}", "--replicas", "2")
    ]
    assert program("1 replica", haproxy=True).command[-2:] == ["1", "--haproxy"]
    assert {program(server, haproxy=True).render for server in SERVERS} == {"draw"}


def test_loads_are_read_as_they_are_written():
    assert [str(ray_scaling.Traffic.parse(load)) for load in ray_scaling.LOADS] == list(ray_scaling.LOADS)
