"""The workers of a projection's builds: one in this process, one process for each other build that there is."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from infra.builds import Editions
from infra.config import Settings
from schemas import Domain, HeadraceError

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_PAUSE_SECONDS = 2.0
_STOP_SECONDS = 20.0


@contextmanager
def builds_of(
    settings: Settings, postgres: str, domain: Domain, build: int | None, stop: threading.Event
) -> Iterator[Domain | None]:
    """The domain in the build that this process keeps: `build`, or the first one that there is; None for none.

    Without `build`, processes for the other ones run meanwhile, and `stop` is set when the first one is not the first
    any more: the process must end and be started again, to keep what is.
    """
    if build is not None:
        yield domain.in_build(build)
        return
    with Editions(settings, postgres) as editions:
        first = next(iter(_there(editions, domain)), None)
        if first is None:
            _log.warning("%s: projection %d was dropped: take it out of `earlier`", domain.key, domain.projection)
        beside = _Beside(editions, domain, first, stop)
        beside.start()
        try:
            yield None if first is None else domain.in_build(first)
        finally:
            beside.close()


def _there(editions: Editions, domain: Domain) -> list[int]:
    """The builds of the projection, in order. The event topics tell all else, so an unknown state is build 0."""
    try:
        found = [each.build for each in editions.of(domain).editions if each.projection == domain.projection]
    except HeadraceError as error:
        _log.warning("%s: %s; build 0 is kept", domain.key, error.detail)
        found = []
    return sorted(build for build in found if build >= 0) if found else [0]


class _Beside:
    """Keeps a process for each further build, in a thread."""

    def __init__(self, editions: Editions, domain: Domain, first: int | None, stop: threading.Event) -> None:
        self._editions, self._domain, self._first, self._stop = editions, domain, first, stop
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the processes and wait for them."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            wanted = _there(self._editions, self._domain)
            if self._first not in wanted and (wanted or self._first is not None):
                _log.info("%s: build %s is not there any more; ending", self._domain.key, self._first)
                self._stop.set()
            for build in self._running.keys() - set(wanted):
                self._end(build)
            for build in wanted:
                if build != self._first:
                    self._keep(build)
        for process in self._running.values():
            _ask_to_end(process)
        for build in list(self._running):
            self._end(build)

    def _keep(self, build: int) -> None:
        running = self._running.get(build)
        if running is not None and running.poll() is None:
            return
        if running is not None:
            _log.error("%s: the worker of build %d ended: %s", self._domain.key, build, running.returncode)
            self._closed.wait(_PAUSE_SECONDS)
        named = ["--projection", str(self._domain.projection), "--build", str(build), "--attached"]
        command = [sys.executable, "-m", "infra.cli", "worker", self._domain.name, *named]
        self._running[build] = subprocess.Popen(command, stdin=subprocess.PIPE)
        _log.info("%s: the worker of build %d is process %d", self._domain.key, build, self._running[build].pid)

    def _end(self, build: int) -> None:
        process = self._running.pop(build)
        _ask_to_end(process)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ask_to_end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()


def end_with_input(stop: threading.Event) -> None:
    """Set `stop` when the standard input ends: when whoever started this process closes it, or is killed."""

    def read() -> None:
        while os.read(0, 4096):
            pass
        stop.set()

    threading.Thread(target=read, name="input", daemon=True).start()
