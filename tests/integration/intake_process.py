"""An intake of orders as a process that tests kill or freeze.

Arguments: database URL, bootstrap servers, namespace, name in the group, crash point (or nothing). With `freeze=POINT`
(or `freeze=POINT:N`) as crash point the process stops there with SIGSTOP, to be thawed later, instead of dying.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from producers.intake import Servers, lane, replies, run_intake
from producers.store import postgres as store
from schemas import Domain, Fatal, arm, discover
from tests.architecture.source import ROOT
from tests.pipeline import until


@dataclass
class Intake:
    """Starts, kills, thaws and stops an intake; use as a context manager."""

    postgres: str
    kafka: str
    domain: Domain
    home: Path
    name: str = "intake"

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def log(self) -> str:
        path = self.home / f"{self.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, crash_point: str = "") -> "Intake":
        command = [sys.executable, "-m", "tests.integration.intake_process", self.postgres, self.kafka]
        command += [self.domain.namespace, self.name, *([crash_point] if crash_point else [])]
        with (self.home / f"{self.name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        return self

    def logged(self, text: str, seconds: float = 60, *, times: int = 1) -> None:
        """Wait until the log has the text so many times."""
        until(lambda: self.log.count(text) >= times, seconds, what=f"{self.name} logs {text!r}:\n{self.log[-3000:]}")

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """Exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not stop on SIGTERM:\n{self.log[-3000:]}") from None


def _freeze_at(point: str) -> None:
    wanted, _, turn = point.partition(":")
    left = [int(turn or 1)]

    def reach(name: str) -> None:
        if name == wanted:
            left[0] -= 1
            if left[0] == 0:
                print(f"frozen at {name}", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGSTOP)

    lane.reach = replies.reach = store.reach = reach  # type: ignore[attr-defined]  # where the points are


def main(postgres: str, kafka: str, namespace: str, name: str, crash_point: str = "") -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if crash_point.startswith("freeze="):
        _freeze_at(crash_point.removeprefix("freeze="))
    elif crash_point:
        arm(crash_point)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run_intake([discover(namespace)["orders"]], Servers(postgres, kafka, name), stop)
    except Fatal as error:
        sys.exit(error.detail)


if __name__ == "__main__":
    main(*sys.argv[1:])
