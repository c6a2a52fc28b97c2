"""Vitrine by Ray Serve on this machine, until it is interrupted. Other benchmarks start it.

    python -m benchmarks.ray_replicas PORT --replicas 2
    unshare --net --map-root-user sh -c 'ip link set lo up; python -m benchmarks.ray_replicas PORT --haproxy'

With `--haproxy` HAProxy sends requests to the replicas, in place of Serve's own proxy. It listens on every
interface of the machine, whatever Serve is told: a network of its own keeps it from others.
"""

import argparse
import os
import signal
import threading

from benchmarks.processes import HOST

CALLBACK = "app.http.ray_proxy:middlewares"
# As docs/scale.md has them.
HAPROXY = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
}


def main() -> None:
    """Start Ray with a core for each replica, deploy, wait for a signal, and end Ray."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("port", type=int)
    parser.add_argument("--replicas", type=int, default=2, help="of one core each")
    parser.add_argument("--haproxy", action="store_true", help="in place of Serve's proxy")
    arguments = parser.parse_args()
    os.environ.update(HAPROXY if arguments.haproxy else {})
    os.environ["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"] = CALLBACK
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray
    from ray import serve

    from app.ray_serve import deployment

    ended = threading.Event()
    ray.init(num_cpus=max(2, arguments.replicas), include_dashboard=False, _node_ip_address=HOST)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        serve.start(http_options={"host": HOST, "port": arguments.port})
        replicas = deployment().options(
            num_replicas=arguments.replicas, max_ongoing_requests=64, ray_actor_options={"num_cpus": 1}
        )
        serve.run(replicas.bind(), name="vitrine", route_prefix="/")
        print("ready", flush=True)
        ended.wait()
    finally:
        serve.shutdown()
        ray.shutdown()


if __name__ == "__main__":
    main()
