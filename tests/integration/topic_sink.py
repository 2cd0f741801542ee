"""A sink of some of a domain's tables in a process of its own: `python -m ... KAFKA CLICKHOUSE NAMESPACE TABLE...`."""

import signal
import sys
import threading

from schemas import discover
from sinks.sink import run_targets
from sinks.targets import targets_of


def main() -> None:
    kafka, clickhouse, namespace, *tables = sys.argv[1:]
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    targets = targets_of(discover(namespace)["orders"])
    run_targets([each for each in targets if each.table.rpartition(".")[2] in tables], kafka, clickhouse, stop)


if __name__ == "__main__":
    main()
