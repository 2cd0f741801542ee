"""How fast inserts may follow each other: slower where ClickHouse does not keep up with merging their parts, and not at
all while the tables are exchanged."""

import time

from sinks.clickhouse import ClickHouse
from sinks.sql import statement
from sinks.targets import Target

# Seconds an insert while parts are few: a hundred parts a second, so that the window covers a minute and a half of one
# sink (rule 15).
_QUICKEST, _SLOWEST = 0.01, 2.0
# Parts of one partition of a table that are no sign of trouble. ClickHouse itself slows inserts down from 1000 on.
_FEW = 100
_LOOK_SECONDS = 2.0


class Pace:
    """Looks now and then how many parts the tables of a target's databases have, and whether loading is to pause, since
    these tables are being exchanged. Batches grow while it is slow."""

    def __init__(self, clickhouse: ClickHouse, target: Target) -> None:
        self._clickhouse, self._target = clickhouse, target
        self._looked = time.monotonic()
        self.seconds = _QUICKEST
        self.paused = self._is_paused()

    def _is_paused(self) -> bool:
        return bool(self._clickhouse.execute(statement("is_paused", database=self._target.database)))

    def look(self) -> None:
        """Look again, when it is time to."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            databases = f"'{self._target.database}', '{self._target.domain.projection_database}'"
            [(parts,)] = self._clickhouse.execute(statement("most_parts", databases=databases))
            self.seconds, self.paused = pace(parts), self._is_paused()
            self._looked = time.monotonic()


def pace(parts: int) -> float:
    """Seconds from one insert to the next on average, where the fullest partition of a table has so many parts.

    It grows with the square of what is too much: a second an insert at a thousand parts.
    """
    return float(min(_SLOWEST, _QUICKEST * max(1.0, parts / _FEW) ** 2))
