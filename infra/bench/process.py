"""Processes that a benchmark starts: they end with it, however it ends."""

import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from infra.bench.errors import BenchError
from infra.bench.place import Place
from infra.config import Settings, variable
from infra.stack.ports import HOST, is_free

_PATIENCE = 60.0
_STOP_SECONDS = 20
# Below the kernel's range for outgoing connections.
_PORTS = range(20_000, 32_000)


class Process:
    """One running process of `infra.bench.program`."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: str) -> None:
        assert process.stdin is not None
        self._process = process
        self._input = process.stdin
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, settings: Mapping[str, str]) -> None:
        """Give it its settings."""
        self._input.write(json.dumps(settings).encode() + b"\n")
        self._input.flush()

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
        """Wait for the condition. Raises BenchError when the process ends before, or time is up."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = Path(self._log).read_text(errors="replace")[-2000:]
                raise BenchError(f"{what}: that did not come about; the end of the log:\n{log}")
            time.sleep(0.005)

    def stop(self) -> None:
        """End it; killed when it does not end by itself."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._input.close()


@contextmanager
def running(place: Place, *arguments: str, port: int = 0) -> Iterator[Process]:
    """Start `infra.bench.program` with the arguments at the place; it ends when the context does, or this process."""
    settings = replace(place.settings, http_host=HOST, http_port=port, log_level="WARNING")
    with tempfile.NamedTemporaryFile(prefix="headrace-bench-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.bench.program", *arguments], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
        started = Process(process, log.name)
        try:
            started.tell(environment(settings))
            yield started
        finally:
            started.stop()


def environment(settings: Settings) -> dict[str, str]:
    """The settings as variables of an environment."""
    return {variable(name): str(value) for name, value in vars(settings).items() if str(value)}


def free_port() -> int:
    """A port that nobody listens on."""
    return next(port for port in random.sample(_PORTS, 100) if is_free(port))


def listens(port: int) -> bool:
    """Whether somebody listens on the port."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


@contextmanager
def serving(place: Place, program: str) -> Iterator[int]:
    """The port of a program that serves HTTP, started as in `running`, once it listens."""
    port = free_port()
    with running(place, program, port=port) as process:
        process.until(lambda: listens(port), f"{program} listens")
        yield port
