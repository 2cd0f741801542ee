"""A worker of the sensors in a process of its own: `python -m ... KAFKA NAMESPACE DATA CRASH_POINT`.

It closes few windows at once, so that it can be killed between.
"""

import sys
import threading
from pathlib import Path

from schemas import arm
from streams import run
from streams.worker import work
from tests.meters import FOLDS, meters


def main() -> None:
    kafka, namespace, data, point = sys.argv[1:]
    arm(point)
    run.MAX_CLOSED = 15
    work(meters(namespace, partitions=2), FOLDS, kafka, Path(data), threading.Event())


if __name__ == "__main__":
    main()
