"""Runs a process manager as the process in the foreground."""

import threading
from pathlib import Path

from streams.process_engine import ProcessEngine
from streams.process_past import Pasts
from streams.stores import StoreKind
from streams.watchdog import Watch
from streams.wiring import Wired
from streams.worker import run_group


def run_process(
    wired: Wired, pasts: Pasts, kafka: str, data: Path, stop: threading.Event, watch: Watch, store: StoreKind
) -> None:
    """Handle the process's events and fire its commands until SIGTERM, SIGINT or `stop`; see `run_worker`."""
    run_group(wired.group, ProcessEngine(wired, pasts.of), kafka, data, stop, watch, store)
