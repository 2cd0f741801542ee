"""Processes that a benchmark starts: they end with it, however it ends."""

import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from infra.bench.errors import BenchError
from infra.bench.place import Place
from infra.config import variables
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

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def ended(self, seconds: float) -> None:
        """Wait for its end. Raises BenchError when it fails, or has not ended by then."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise BenchError(f"a process has not ended after {seconds:.0f} s; {self._said()}") from None
        if code:
            raise BenchError(f"a process failed with {code}; {self._said()}")

    def _said(self) -> str:
        return f"the end of the log:\n{Path(self._log).read_text(errors='replace')[-2000:]}"

    def tell(self, settings: Mapping[str, str]) -> None:
        """Give it its settings."""
        self._input.write(json.dumps(settings).encode() + b"\n")
        self._input.flush()

    def until(self, condition: Callable[[], bool], what: str, seconds: float = _PATIENCE, every: float = 0.005) -> None:
        """Wait for the condition, which is looked at `every` so many seconds. Raises BenchError when the process ends
        before, or time is up."""
        deadline = time.monotonic() + seconds
        while not condition():
            if not self.runs or time.monotonic() > deadline:
                raise BenchError(f"{what}: that did not come about; {self._said()}")
            time.sleep(every)

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
def running(place: Place, *arguments: str, port: int = 0, processes: int = 1) -> Iterator[Process]:
    """Start `infra.bench.program` with the arguments at the place; it ends when the context does, or this process.
    The `port` may be for several `processes`, each started by itself."""
    settings = replace(place.settings, http_host=HOST, http_port=port, http_processes=processes, log_level="WARNING")
    with tempfile.NamedTemporaryFile(prefix="headrace-bench-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.bench.program", *arguments], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
        started = Process(process, log.name)
        try:
            started.tell(variables(settings))
            yield started
        finally:
            started.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    return next(port for port in random.sample(_PORTS, 100) if is_free(port))


def listens(port: int, process: Process) -> bool:
    """Whether the process listens on the port."""
    with contextlib.suppress(psutil.Error):  # it may just have ended
        found = psutil.Process(process.pid).net_connections("tcp")
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found)
    return False


@contextmanager
def serving(place: Place, program: str, processes: int = 1) -> Iterator[int]:
    """The port of a program that serves HTTP in so many processes, started as in `running`, once all listen."""
    port = free_port()
    with ExitStack() as open_:
        started = [
            open_.enter_context(running(place, program, port=port, processes=processes)) for _ in range(processes)
        ]
        for process in started:
            process.until(partial(listens, port, process), f"{program} listens")
        yield port
