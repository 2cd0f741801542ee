"""`headrace reload` as a process that a test can kill, without its wait for inserts under way.

Arguments: Kafka, ClickHouse, namespace, crash point (empty: none).
"""

import sys
import threading

from schemas import arm, discover
from sinks.reload import Reload


def main() -> None:
    kafka, clickhouse, namespace, point = sys.argv[1:]
    if point:
        arm(point)
    domain = discover(namespace)["orders"]
    done = Reload(kafka, clickhouse, domain, lambda *_: None).run(threading.Event(), patience=0)
    assert done is not None
    print(done.events, done.position)


if __name__ == "__main__":
    main()
