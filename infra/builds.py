"""Which builds of the domains exist and which are live, as the processes of the pipeline learn it.

The truth stands in Postgres. What was read last is kept in a file in the home directory, so that the read side starts,
and goes on, without Postgres.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from infra.config import Settings
from producers.store.builds import Following, following, watch
from schemas import Domain, Edition, Unavailable

_log = logging.getLogger(__name__)
_ASK_SECONDS = 0.25
_PAUSE_SECONDS = 1.0
_FIRST_SECONDS = 3.0
_decoder = msgspec.json.Decoder(dict[str, tuple[Edition, ...]])


class Either(threading.Event):
    """An event that is set by itself, or when `other` is."""

    def __init__(self, other: threading.Event) -> None:
        super().__init__()
        self._other = other

    def is_set(self) -> bool:
        """Whether either is set."""
        return super().is_set() or self._other.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until either is set, for so many seconds at most."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _ASK_SECONDS if until is None else min(until - time.monotonic(), _ASK_SECONDS)
            if left <= 0:
                return False
            super().wait(left)
        return True


class Editions:
    """Watches the builds in a thread, from `start` to `close`. Usable in a `with`.

    `changed` is called in that thread when a build has come or gone; a switch is none of both.
    """

    def __init__(self, settings: Settings, postgres: str, changed: Callable[[], None] = lambda: None) -> None:
        self._postgres, self._file, self._changed = postgres, _file(settings), changed
        self._known: Following | None = _read(self._file)
        self._asked, self._closed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="editions", daemon=True)

    def __enter__(self) -> "Editions":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to watch; waits a little for the first answer."""
        if self._thread.ident is None:
            self._thread.start()
            self._asked.wait(_FIRST_SECONDS)

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def of(self, domain: Domain) -> Domain:
        """The domain with its builds. Raises Unavailable when they were never known here."""
        if self._known is None:
            raise Unavailable(
                f"which build of {domain.name} is live is not known: PostgreSQL does not answer", rule="builds-unknown"
            )
        return with_editions(domain, self._known)

    def _run(self) -> None:
        said = False
        while not self._closed.is_set():
            try:
                watch(self._postgres, self._closed.is_set, _ASK_SECONDS, self._tell)
                said = False
            except Exception as error:
                self._asked.set()
                if not said:
                    _log.warning("builds: %s; what was known before holds", error)
                    said = True
                self._closed.wait(_PAUSE_SECONDS)

    def _tell(self, known: Following) -> None:
        before, self._known = self._known, known
        self._asked.set()
        if known != before:
            _write(self._file, known)
        if before is None or _sets(known) != _sets(before):
            self._changed()


def _sets(known: Following) -> dict[str, frozenset[Edition]]:
    return {key: frozenset(editions) for key, editions in known.items()}


def with_editions(domain: Domain, known: Mapping[str, tuple[Edition, ...]]) -> Domain:
    """The domain with its builds, of those of all domains."""
    return replace(domain, editions=known.get(domain.key, ()))


def there(settings: Settings, postgres: str, domains: Iterable[Domain]) -> list[Domain]:
    """The domains with their builds, asked once. Raises Unavailable when Postgres does not answer."""
    known = following(postgres)
    _write(_file(settings), known)
    return [with_editions(domain, known) for domain in domains]


def _file(settings: Settings) -> Path:
    return settings.home / (f"builds-{settings.namespace}.json" if settings.namespace else "builds.json")


def _read(file: Path) -> Following | None:
    try:
        return _decoder.decode(file.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def _write(file: Path, known: Following) -> None:
    with suppress(OSError):  # it is for a later start alone
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{threading.get_native_id()}")
        fresh.write_bytes(msgspec.json.encode(known))
        fresh.replace(file)
