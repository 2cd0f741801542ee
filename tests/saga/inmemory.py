"""The process manager of one partition in memory: records in, commands out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import msgspec

from schemas import WATERMARK_KEY, Control, Envelope, Event, encode
from streams.changes import Changes, Outgoing, Record
from streams.process import Process
from streams.process_engine import ProcessEngine, ProcessWork
from streams.process_past import Past
from streams.wiring import wire
from tests.saga.fulfilment import PROCESS
from tests.saga.planted import domains


@dataclass
class Input:
    """What stands on one topic."""

    topic: str
    source: str
    records: list[Record] = field(default_factory=list)
    positions: "count[int]" = field(default_factory=lambda: count(1))
    offsets: "count[int]" = field(default_factory=lambda: count(0, 2))  # markers stand between

    def event(self, event: Event, watermark: datetime | None = None, key: str = "") -> Record:
        position, order = next(self.positions), event.order_id  # type: ignore[attr-defined]  # all have it
        envelope = Envelope(
            id=f"{order}-{position}:1",
            source=self.source,
            type=type(event).__name__,
            subject=order,
            time=event.at,  # type: ignore[attr-defined]  # all have it
            sequence=1,
            position=position,
            partitionkey=getattr(event, "customer_id", order),
            hash="0",
            correlationid=f"visit-{order}",
            data=event,
            watermark=watermark or event.at,  # type: ignore[attr-defined]  # all have it
        )
        return self.add((key or order).encode(), encode(envelope))

    def watermark(self, at: datetime) -> Record:
        return self.add(WATERMARK_KEY, encode(Control(position=next(self.positions), time=at, watermark=at)))

    def reply(self, id_: str, key: str, problem: dict[str, str] | None = None) -> Record:
        reply = {"id": id_, "partition": 0, "offset": 0, "status": 409 if problem else 200}
        return self.add(key.encode(), encode(reply | ({"problem": problem} if problem else {})))

    def add(self, key: bytes | None, value: bytes | None) -> Record:
        self.records.append(Record(key, value, next(self.offsets)))
        return self.records[-1]


class Partition:
    """One partition of the process, with what was kept of it and what it has fired."""

    def __init__(self, process: Process = PROCESS, past: Past | None = None) -> None:
        self.wired = wire(process, domains("test"), "test")
        known = domains("test")
        self.shop = Input(known["shop"].route_topic(known["shop"].routes[0]), "headrace/shop")
        self.payments, self.deliveries = (Input(known[n].events_topic, n) for n in ("payments", "deliveries"))
        self.replies = {name: Input(domain.replies_topic, name) for name, domain in known.items()}
        self.rows: dict[bytes, bytes] = {}
        self.held: dict[bytes, bytes] = {}
        self.sent: list[Outgoing] = []
        self.most_at_once = 0
        self.past = past or Past(frozenset(), {})
        self.open()

    def open(self) -> None:
        """Begin the work anew, as after a restart."""
        past = self.past
        engine = ProcessEngine(self.wired, lambda _, fired: past if fired is None else replace(past, fired=fired))
        self.work: ProcessWork = engine.begin(0, [self.rows], None)

    def take(self, given: Input, *records: Record) -> Changes:
        """Handle records (default: all) of a topic as one chunk, and keep what came of it."""
        changes = self._run(given, records or given.records)
        while changes.behind:
            changes = self._run(given, [])
        return changes

    def _run(self, given: Input, records: Sequence[Record]) -> Changes:
        changes = self.work.run(given.topic, records, [self.rows], self.held)
        for key, value in changes.rows[0].items():
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value
        self.held.update(dict.fromkeys(changes.held, b""))
        self.work.apply(changes)
        self.sent += changes.sent
        self.most_at_once = max(self.most_at_once, len(changes.sent))
        return changes

    def commands(self) -> list[tuple[str, str]]:
        """Type and order of all commands that were fired."""
        return [(command["type"], command["order_id"]) for command in map(command_of, self.sent)]

    def row(self, order: str) -> Any:
        stored = self.rows.get(order.encode())
        return None if stored is None else msgspec.json.decode(stored)


def command_of(record: Outgoing) -> dict[str, Any]:
    """The command in a record."""
    command: dict[str, Any] = msgspec.json.decode(record.value)["command"]
    return command


def id_of(record: Outgoing) -> str:
    """The command's id."""
    return str(dict(record.headers)["command-id"])
