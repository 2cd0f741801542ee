"""Keeps the logs of talkative libraries readable."""

import logging
import time

_SECONDS = 30.0


class Seldom(logging.Filter):
    """Passes a message on at most once in a while, whatever its arguments are."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is passed on."""
        now = time.monotonic()
        if now - self._passed.get(str(record.msg), -_SECONDS) < _SECONDS:
            return False
        self._passed[str(record.msg)] = now
        return True


def quieten(*libraries: str) -> None:
    """Let loaded libraries speak of what is wrong alone, and seldom, unless everything is wanted (DEBUG)."""
    if logging.getLogger().isEnabledFor(logging.DEBUG):
        return
    for name in [*logging.root.manager.loggerDict, *libraries]:
        if name.split(".")[0] in libraries:
            logging.getLogger(name).setLevel(logging.WARNING)
            logging.getLogger(name).addFilter(Seldom())
