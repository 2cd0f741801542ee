"""The pipeline's processes as a user runs them: started, killed and restarted by the tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import httpx

from infra.stack import Addresses
from tests.architecture.source import ROOT

T = TypeVar("T")
# A busy machine may take so many times as long. Waiting costs nothing where all is well.
_SLOWEST = 3
# A killed broker is away for about twelve seconds: so long a client waits for it.
BROKER_SECONDS = 30.0


def until(condition: Callable[[], T], seconds: float = 60.0, *, what: str = "") -> T:
    """The first true answer of `condition`; fails the test when none comes within `seconds`, on a quick machine."""
    deadline = time.monotonic() + _SLOWEST * seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {_SLOWEST * seconds} s: {what or condition}; last answer {answer!r}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(addresses: Addresses, namespace: str, home: Path, port: int, **extra: str) -> dict[str, str]:
    """The environment of a process that uses `addresses`, and nothing of the test's own HEADRACE_* settings."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    return {
        **inherited,
        "HEADRACE_HOME": str(home),
        "HEADRACE_KAFKA": addresses.kafka,
        "HEADRACE_POSTGRES": addresses.postgres,
        "HEADRACE_CLICKHOUSE": addresses.clickhouse,
        "HEADRACE_CLICKHOUSE_READER": addresses.clickhouse_reader,
        "HEADRACE_NAMESPACE": namespace,
        "HEADRACE_HTTP_PORT": str(port),
        **extra,
    }


@dataclass
class Pipeline:
    """api, relay, worker and sink of one namespace on the given servers; one log file each.

    They serve `domain` alone; with a `process`, all domains of the tree.
    """

    addresses: Addresses
    namespace: str
    home: Path
    tree: Path = ROOT
    domain: str = "orders"
    process: str = ""
    port: int = field(default_factory=free_port)
    second_port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self, name: str) -> str:
        path = self.home / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, *names: str, crash_point: str = "", port: int | None = None, options: Sequence[str] = ()) -> None:
        """Start processes by name: `api`, `relay`, `worker`, `sink`, `process`.

        A suffix `.2` makes it a second one, `.v2` a worker of that projection.
        """
        for name in names:
            kind = name.split(".")[0]
            named = {"worker": self.domain, "process": self.process}
            command = [kind, *([named[kind]] if kind in named else []), *options]
            if ".v" in name:
                command += ["--projection", name.partition(".v")[2]]
            extra = {"HEADRACE_CRASH_POINT": crash_point} if crash_point else {}
            with (self.home / f"{name}.log").open("ab") as log:
                self.running[name] = subprocess.Popen(
                    [sys.executable, "-m", "infra.cli", *command],
                    cwd=self.tree,
                    env=self._environment(port, **extra),
                    stdout=log,
                    stderr=log,
                )
            if kind == "api":
                self.wait_for_api(port or self.port)

    def run(self, *command: str, seconds: float = 180, **extra: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the tree to its end, with further variables in its environment."""
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", *command],
            cwd=self.tree,
            env=self._environment(None, **extra),
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def prepare(self) -> None:
        """Make tables and topics."""
        done = self.run("prepare")
        assert done.returncode == 0, done.stderr

    def _environment(self, port: int | None = None, **extra: str) -> dict[str, str]:
        made = environment(self.addresses, self.namespace, self.home, port or self.port, **extra)
        served = {} if self.process else {"HEADRACE_DOMAINS": self.domain}
        return {**made, "PYTHONPATH": str(self.tree), **served, **self.settings}

    def wait_for_api(self, port: int) -> None:
        def answers() -> bool:
            try:
                return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).status_code < 500
            except httpx.TransportError:
                return False

        until(answers, 60, what="the API answers")

    def died(self, name: str) -> int | None:
        """Exit code of a process, None while it runs; -9 after SIGKILL."""
        return self.running[name].poll()

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running.pop(name).wait()

    def stop(self, *names: str) -> None:
        """Stop all (or the named) processes in order with SIGTERM; fails when one does not end."""
        for name in names or list(self.running):
            process = self.running.pop(name)
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"{name} did not stop on SIGTERM:\n{self.log(name)[-3000:]}") from None
