"""Audits one domain: its events, the rows folded from them, rollups and constraints."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from infra.audit.events import EventsAudit, Progress
from infra.audit.findings import Found, Hop, Report
from infra.audit.loaded import Loaded, Warehouse
from infra.audit.refold import audit_folds
from infra.audit.rollups import audit_rollup, rollups_of
from infra.audit.rows import Place, RowsAudit
from infra.audit.stored import Stored
from infra.audit.violations import Violations
from infra.stack import Addresses
from schemas import Domain
from sinks.targets import AggregateTarget, targets_of


@dataclass(frozen=True)
class Wanted:
    """How to audit: how many findings of a hop to list, how long to wait for a hop that gets no further, and whether to
    fold all events again (`deep`). `archive` is the URL of the archive, empty for none."""

    limit: int = 50
    seconds: float = 10.0
    deep: bool = False
    archive: str = ""


@dataclass
class Since:
    """From where the next audit of a domain goes on."""

    position: int = 0
    offsets: dict[int, int] = field(default_factory=dict)
    rows: dict[str, dict[int, Place]] = field(default_factory=dict)


class Audit:
    """One audit of a domain after a position. `known` are all domains, for constraints that speak of several.

    `run` raises Unavailable when a server does not answer, Fatal when tables are not there.
    """

    def __init__(
        self, domain: Domain, known: Mapping[str, Domain], at: Addresses, since: Since, wanted: Wanted, show: Progress
    ) -> None:
        self._domain, self._known, self._at = domain, known, at
        self._since, self._wanted, self._show = since, wanted, show
        self._hops: list[Hop] = []
        self._found: list[Found] = []
        self._next = Since()

    def run(self) -> tuple[Report, Since]:
        """What was found, and from where to go on: from the same place unless all was clean."""
        began = time.monotonic()
        stored = Stored(self._at.postgres, self._domain)
        try:
            with Warehouse(self._at.clickhouse_reader) as warehouse:
                head = stored.head()
                after = min(self._since.position, head)
                self._events(stored, warehouse, after, head)
                self._rows(warehouse, head)
                self._rollups(warehouse)
        finally:
            stored.close()
        self._constraints()
        if self._wanted.deep:
            self._refold()
        violations = sum(each.counts.get("violation", 0) for each in self._found)
        listed = tuple(finding for each in self._found for finding in each.listed)
        seconds = time.monotonic() - began
        upto = self._next.position
        report = Report(self._domain.key, after, head, upto, violations, seconds, tuple(self._hops), listed)
        return report, self._next if report.clean else self._since

    def _note(self, hop: Hop, found: Found) -> None:
        self._hops.append(hop)
        self._found.append(found)

    def _events(self, stored: Stored, warehouse: Warehouse, after: int, head: int) -> None:
        loaded, limit, archive = Loaded(warehouse, self._domain), self._wanted.limit, self._wanted.archive
        events = EventsAudit(self._domain, self._at.kafka, stored, loaded, after, head, limit, archive)
        for hop, found in zip(*events.run(self._since.offsets, self._wanted.seconds, self._show), strict=True):
            self._note(hop, found)
        self._next.position, self._next.offsets = events.reached, events.resume

    def _rows(self, warehouse: Warehouse, head: int) -> None:
        for target in targets_of(self._domain):
            if isinstance(target, AggregateTarget):
                rows = RowsAudit(self._at.kafka, warehouse, target, self._since.rows.get(target.topic, {}))
                hop, found = rows.run(head, self._wanted.seconds, self._wanted.limit, partial(self._show, target.table))
                self._note(hop, found)
                self._next.rows[target.topic] = rows.resume
                self._next.position = min(self._next.position, hop.upto)

    def _refold(self) -> None:
        for version in self._domain.projections:
            marks = self._next.rows[version.aggregate_topic(version.aggregates[0])] if version.aggregates else {}
            positions = {number: position for number, (_, position) in marks.items()}
            show = partial(self._show, f"folds of {version.projection_database}")
            hops, found = audit_folds(version, self._at, positions, self._wanted.limit, show, self._wanted.archive)
            for hop, each in zip(hops, found, strict=True):
                self._note(hop, each)

    def _rollups(self, warehouse: Warehouse) -> None:
        for rollup in rollups_of(warehouse, self._domain):
            upto, wanted = self._next.position, self._wanted
            self._note(*audit_rollup(warehouse, self._domain, rollup, upto, wanted.seconds, wanted.limit))

    def _constraints(self) -> None:
        upto = self._next.position
        for version in self._domain.projections:
            with Violations(self._at.clickhouse_reader, version, self._known, upto) as violations:
                for hop, found in zip(*violations.run(self._wanted.limit), strict=True):
                    self._note(hop, found)
