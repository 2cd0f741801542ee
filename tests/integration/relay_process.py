"""A relay of orders as a process that tests can kill.

Arguments: database URL, bootstrap servers, namespace, crash point (or nothing).
"""

import logging
import signal
import sys
import threading

from producers.relay import run_relay
from schemas import Fatal, arm, discover


def main(postgres: str, kafka: str, namespace: str, crash_point: str = "") -> None:
    if crash_point:
        arm(crash_point)
    logging.basicConfig(level=logging.INFO)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        run_relay(discover(namespace).values(), postgres, kafka, stop)
    except Fatal as error:
        sys.exit(error.detail)


main(*sys.argv[1:])
