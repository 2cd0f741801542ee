"""Ends a process of which a thread is stuck: its supervisor starts it again.

The loops of a stage ask again and again whether to stop; a thread that asked once and then no more is stuck.
"""

import faulthandler
import logging
import os
import threading
import time

_log = logging.getLogger(__name__)

_TICK_SECONDS = 1.0
_GRACE_SECONDS = 5.0


class Pulse(threading.Event):
    """`stop` as the threads of a process see it. Usable in a `with`, during which they are watched.

    When a thread, other than the main one, has not asked for so many seconds, the process ends with exit code 1, the
    stacks of all threads in its log; also when a thread never lets go of the interpreter. One that waits is not stuck.
    """

    def __init__(self, stop: threading.Event, stuck_seconds: float) -> None:
        super().__init__()
        self._asked_for, self._stuck_seconds = stop, stuck_seconds
        self._asked: dict[int, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="headrace-pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    def is_set(self) -> bool:
        """Whether to stop."""
        self._asked[threading.get_ident()] = time.monotonic()
        return self._asked_for.is_set()

    def set(self) -> None:
        """Let all stop."""
        self._asked_for.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is time to stop, for so many seconds at most."""
        self._asked.pop(threading.get_ident(), None)
        self._asked_for.wait(timeout)
        return self.is_set()

    def _watch(self) -> None:
        before = time.monotonic()
        try:
            while not self._closed.wait(_TICK_SECONDS):
                # A timer in C, which needs no interpreter: it fires when this thread no longer gets here.
                faulthandler.dump_traceback_later(self._stuck_seconds + _GRACE_SECONDS, exit=True)
                now = time.monotonic()
                if now - before > _GRACE_SECONDS:
                    self._asked.clear()  # the process as a whole was stopped, or the machine
                before = now
                if not self._asked_for.is_set():
                    self._look(now)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _look(self, now: float) -> None:
        threads = {thread.ident: thread.name for thread in threading.enumerate()}
        for ident, asked in list(self._asked.items()):
            if ident not in threads or ident == threading.main_thread().ident:
                self._asked.pop(ident, None)
            elif now - asked > self._stuck_seconds:
                _log.error("ending at once: the thread %s has not got on for %.0f s", threads[ident], now - asked)
                faulthandler.dump_traceback()
                os._exit(1)
