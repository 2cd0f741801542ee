"""Audits the consistency constraints of a domain: their violations as of a position that all tables have reached."""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from infra.audit.findings import Found, Hop, shown
from infra.audit.loaded import Warehouse
from infra.audit.sql import statement
from schemas import Domain
from sinks.constraints import Constraint, constraints_of

# Tables are not read at one moment, even by one query: a violation is one that is there the second time, too.
_PAUSE_SECONDS = 0.1


class Violations:
    """Asks for the violations of a domain's constraints as of a position. `known` are all domains by name."""

    def __init__(self, url: str, domain: Domain, known: Mapping[str, Domain], upto: int) -> None:
        parts = urlsplit(url)._replace(path=f"/{domain.projection_database}", query="server_side_params=1")
        self._warehouse = Warehouse(parts.geturl())
        self._domain, self._known, self._upto = domain, known, upto
        self._databases = {name: each.live.projection_database for name, each in known.items()}

    def __enter__(self) -> "Violations":
        return self

    def __exit__(self, *_: object) -> None:
        self._warehouse.__exit__()

    def run(self, limit: int) -> tuple[list[Hop], list[Found]]:
        """A hop for each constraint, and its violations."""
        found = [self._audit(constraint, limit) for constraint in constraints_of(self._domain)]
        return [hop for hop, _ in found], [each for _, each in found]

    def _audit(self, constraint: Constraint, limit: int) -> tuple[Hop, Found]:
        began = time.monotonic()
        found = Found(self._domain.key, f"constraint {constraint.name}", limit)
        rows = self._ask(constraint, limit)
        if rows:
            time.sleep(_PAUSE_SECONDS)
            again = self._ask(constraint, limit)
            rows = [row for row in again if row in rows]
            for row in rows:
                columns = ", ".join(f"{name} {shown(value)}" for name, value in row.items() if name != _ALL)
                found.add("violation", f"{constraint.rule}: {columns}", key=shown(next(iter(row.values()))))
            if rows and len(rows) == limit:
                found.count("violation", rows[0][_ALL] - len(rows))
        hop = found.hop_of(upto=self._upto, count=0, distinct=0, seconds=time.monotonic() - began, note=constraint.rule)
        return hop, found

    def _ask(self, constraint: Constraint, limit: int) -> list[dict[str, Any]]:
        query = statement("violations", query=constraint.query(self._databases), limit=limit)
        uptos = {f"upto_{name}": self._complete(self._known[name].live) for name in constraint.others}
        return self._warehouse.named(query, {"upto": self._upto, **uptos})

    def _complete(self, domain: Domain) -> int:
        """Up to which position all tables of a domain are loaded by now."""
        topics = [domain.events_topic, *map(domain.aggregate_topic, domain.aggregates)]
        wanted = dict.fromkeys(range(domain.partitions), 0)
        return min(self._warehouse.reached(domain.database, topic, wanted, 0) for topic in topics)


_ALL = "violations_of_all"
