"""A worker in a process of its own: `python -m ... KAFKA NAMESPACE DATA [CRASH_POINT]`.

With `freeze=POINT` as crash point the process stops there with SIGSTOP, to be thawed later, instead of dying.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from schemas import Domain, HeadraceError, arm, discover
from streams import assignment, writer
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

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def log(self) -> str:
        path = self.home / f"{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, crash_point: str = "") -> "Worker":
        command = [sys.executable, "-m", "tests.integration.worker_process", self.kafka, self.domain.namespace]
        with (self.home / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, str(self.home / "data"), *([crash_point] if crash_point else [])],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

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
    if crash_point and crash_point[0].startswith("freeze="):
        _freeze_at(crash_point[0].removeprefix("freeze="))
    elif crash_point:
        arm(crash_point[0])
    try:
        run_worker(discover(namespace)["orders"], kafka, Path(data))
    except HeadraceError as error:
        print(f"headrace: {error.detail}", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
