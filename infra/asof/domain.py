"""What belongs to one domain: its moments, its rows, and what its past depends on."""

import time
from hashlib import blake2b
from inspect import getsource

import msgspec

from infra.asof.moments import Moments
from infra.asof.single import SingleRows
from infra.config import Settings
from infra.history import recorded
from infra.stack import Addresses
from producers.erasure import SubjectKeys
from producers.handling.fingerprints import modules_behind
from producers.history import Skips
from schemas import Domain, Fatal, stage_module
from sinks.clickhouse import ClickHouse
from sinks.editions import PastEditions, stem_of
from sinks.tables import definitions

# How exactly it is known when an edition was read last.
_USED_SECONDS = 1.0
_REMEMBERED = 256


class DomainPast:
    """The past of a domain in one build. Not for several threads."""

    def __init__(self, domain: Domain, settings: Settings, at: Addresses, keys: SubjectKeys) -> None:
        self.domain = domain
        self.history = recorded(domain, at, settings.archive)
        self.moments = Moments(domain, at, settings.archive)
        self.rows = SingleRows(domain, self.history, at, keys)
        self._clickhouse = ClickHouse(at.clickhouse)
        self.editions = PastEditions(self._clickhouse)
        self._skips, self._code = Skips(at.postgres, domain), _code(domain)
        self._used: dict[str, float] = {}

    def stem(self, position: int) -> str:
        """What names all that is as of a position: it changes with the code, and with the events left out by then."""
        skipped = sorted(skip.event for skip in self._skips.of() if skip.position <= position)
        made = blake2b(msgspec.msgpack.encode((self._code, skipped)), digest_size=6)
        return stem_of(self.domain, position, made.hexdigest())

    def find(self, position: int) -> tuple[str, str | None]:
        """The stem of a position, and the database of its edition, which is read now; None when there is none."""
        stem = self.stem(position)
        found = self.editions.find(stem)
        if found is not None and time.monotonic() - self._used.get(found, -_USED_SECONDS) >= _USED_SECONDS:
            try:
                self.editions.used(found)
            except Fatal:
                return stem, None  # it was dropped just now
            self._used = {**self._used, found: time.monotonic()} if len(self._used) < _REMEMBERED else {}
        return stem, found

    def close(self) -> None:
        """Close the connections."""
        self.moments.close()
        self.rows.close()
        self._skips.close()
        self._clickhouse.close()


def _code(domain: Domain) -> list[str]:
    """The sources of the folds, the tables and the events, and what these import of the same packages."""
    modules = modules_behind(stage_module("streams", domain), stage_module("sinks", domain), *domain.events)
    return [definitions(domain), *sorted(map(getsource, modules))]
