"""What every process of the pipeline does first: log, arm a crash point, listen for the signal to stop."""

import gc
import logging
import signal
import sys
import threading

from infra.config import Settings
from schemas import arm


def settle_memory() -> None:
    """Let the collector pass over what is there by now, and come less often: it would take a third of the work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


def begin(settings: Settings) -> threading.Event:
    """Set up logging and crash points; answers the event that SIGTERM and SIGINT set."""
    logging.basicConfig(
        level=settings.log_level,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("kafka", "aiokafka", "faust", "mode", "httpx"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level)))
    if settings.crash_point:
        arm(settings.crash_point)
    settle_memory()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
