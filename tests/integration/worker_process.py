"""A worker in a process of its own: `python -m ... KAFKA NAMESPACE DATA [CRASH_POINT]`.

With `freeze=POINT` as crash point the process stops there with SIGSTOP, to be thawed later, instead of dying. With
`hang=POINT` the thread that comes there waits for ever, with `seize=POINT` it does so without letting other threads
run, with `deaf=POINT` nothing is fetched from then on; each once for a data directory, and the patience is short. With
`loose=` rows are written outside of the chunk's transaction.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from infra.config import read
from schemas import Domain, HeadraceError, arm, discover
from streams import assignment, writer
from streams.reading import ChunkReader
from streams.watchdog import Watch
from streams.worker import run_worker
from tests.architecture.source import ROOT
from tests.integration.order_source import Source, marks
from tests.pipeline import until


@dataclass
class Worker:
    """Starts, kills, thaws and stops a worker; use as a context manager."""

    kafka: str
    domain: Domain
    home: Path
    name: str = "worker"
    store: str = "memory"

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.kill()
        if kind is not None:
            print(f"the end of the log of {self.name}:\n{self.log[-5000:]}")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def log_file(self) -> Path:
        return self.home / f"{self.name}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self, crash_point: str = "") -> "Worker":
        command = [sys.executable, "-m", "tests.integration.worker_process", self.kafka, self.domain.namespace]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self.home / "data"), *([crash_point] if crash_point else [])],
                cwd=ROOT,
                env={**os.environ, "HEADRACE_TABLE_STORE": self.store},
                stdout=log,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    @property
    def frozen(self) -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED
        return False

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ended(self, seconds: float = 60) -> int:
        """Exit code, once the process has ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds} s:\n{self.log[-3000:]}") from None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ended(30)

    def logged(self, text: str, seconds: float = 60, *, times: int = 1) -> float:
        """Wait until the log has the text; seconds that it took."""
        started = time.monotonic()
        until(lambda: self.log.count(text) >= times, seconds, what=f"{self.name} logs {text!r}:\n{self.log[-3000:]}")
        return time.monotonic() - started


def wait_until_folded(kafka: str, domain: Domain, source: Source, seconds: float = 60) -> None:
    """Wait until every partition of every table is complete up to the last position, which must be marked."""
    wanted = dict.fromkeys(range(domain.partitions), source.position)
    for aggregate in domain.aggregates:
        until(lambda a=aggregate: marks(kafka, domain.aggregate_topic(a)) == wanted, seconds, what="tables complete")  # type: ignore[misc]


STUCK_SECONDS = 2.0


def _nothing(self: ChunkReader) -> list[Any]:  # noqa: ARG001  # as it is called
    time.sleep(0.1)
    return []


def _hang() -> None:
    threading.Event().wait()


def _seize() -> None:
    ctypes.PyDLL(None).sleep(600)  # unlike CDLL it keeps the interpreter's lock


def _deafen() -> None:
    ChunkReader.read = _nothing  # type: ignore[method-assign]  # the fault


def _loosen(kafka: str) -> None:
    """Rows go out by themselves, a little later; the transaction carries the offset alone."""
    plain = Producer({"bootstrap.servers": kafka, "linger.ms": 1_500})

    def produce(
        self: Any, topic: str, value: Any, key: Any, headers: Any = None, partition: Any = None, delivered: Any = None
    ) -> None:
        at = self._partition if partition is None else partition
        plain.produce(topic, value, key, at, headers=headers, on_delivery=delivered)

    writer.ChunkWriter._produce = produce  # type: ignore[method-assign]  # the fault


FAULTS = {"hang": _hang, "seize": _seize, "deaf": _deafen}


def _fail_once_at(point: str, fault: str, data: Path) -> None:
    wanted, _, turn = point.partition(":")
    left = [int(turn or 1)]
    done = data / "failed-once"

    def reach(name: str) -> None:
        if name == wanted and not done.exists():
            left[0] -= 1
            if left[0] == 0:
                done.touch()
                print(f"{fault} at {name}", file=sys.stderr, flush=True)
                FAULTS[fault]()

    assignment.reach = writer.reach = reach  # type: ignore[attr-defined]  # where the points are


def _freeze_at(point: str) -> None:
    wanted, _, turn = point.partition(":")
    left = [int(turn or 1)]

    def reach(name: str) -> None:
        if name == wanted:
            left[0] -= 1
            if left[0] == 0:
                print(f"frozen at {name}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)

    assignment.reach = writer.reach = reach  # type: ignore[attr-defined]  # where the points are


def main() -> None:
    kafka, namespace, data, *crash_point = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    fault, _, point = crash_point[0].rpartition("=") if crash_point else ("", "", "")
    if fault == "freeze":
        _freeze_at(point)
    elif fault == "loose":
        _loosen(kafka)
    elif fault:
        _fail_once_at(point, fault, Path(data))
    elif point:
        arm(point)
    watch = Watch(stuck_seconds=STUCK_SECONDS, probes=("127.0.0.1", 0)) if fault in FAULTS else Watch()
    try:
        run_worker(discover(namespace)["orders"], kafka, Path(data), watch=watch, store=read().table_store)
    except HeadraceError as error:
        print(f"headrace: {error.detail}", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
