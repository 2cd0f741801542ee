"""A history whose events changed their shapes twice: the write side, the folds and the sink all see today's."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from producers import CommandHandler, Decider, PostgresEventStore, Receipt, Request
from producers.store import StoredEvent
from schemas import Domain, Envelope, Event, Refused, row_decoder
from sinks.forming import Record
from sinks.targets import EventsTarget
from streams.changes import Record as Folded
from streams.fold import Fold, by_stream
from streams.folding import Folder
from tests.evolved import AT, FIRST, SECOND, TODAY, Account, First, Pay, Second, Today, envelope


def _paid(event: Any) -> Decimal:
    return event.amount if isinstance(event, Today.Paid) else Decimal(0)


def _limited(total: Decimal | None, command: Pay, _facts: object) -> tuple[Event, ...]:
    if (total or 0) + command.amount > 100:
        raise Refused("more than 100 in all", rule="too-much")
    return (Today.Paid(command.account, command.amount, command.currency, AT),)


DECIDERS = {
    FIRST: Decider(
        lambda _total, c, _facts: (First.Paid(c.account, int(c.amount * 100), AT),), lambda total, _event: total
    ),
    SECOND: Decider(
        lambda _total, c, _facts: (
            Second.Paid(c.account, {"amount": c.amount, "currency": c.currency}, AT),
            First.Ended(c.account, AT),
        ),
        lambda total, _event: total,
    ),
    TODAY: Decider(_limited, lambda total, event: (total or 0) + _paid(event)),
}


def _pay(postgres: str, domain: Domain, amount: str, currency: str = "EUR") -> Receipt:
    """Pay as the code did when `domain` was of its day."""

    async def main() -> Receipt:
        store = PostgresEventStore(postgres, domain)
        handler = CommandHandler(domain, DECIDERS[domain], store)
        try:
            return await handler.handle(Request(Pay("a-1", Decimal(amount), currency), f"pay-{amount}"))
        finally:
            await handler.close()
            store.close()

    return asyncio.run(main())


@pytest.fixture
def stored(postgres: str) -> list[StoredEvent]:
    """One payment of each day: 1.50 by the first code, 20.25 and an end by the second, 70 by today's."""
    _pay(postgres, FIRST, "1.50")
    _pay(postgres, SECOND, "20.25", "USD")
    _pay(postgres, TODAY, "70.00")
    store = PostgresEventStore(postgres, TODAY)
    try:
        return store.read(0, 100)
    finally:
        store.close()


def test_the_write_side_decides_on_all_of_history(postgres: str, stored: list[StoredEvent]) -> None:
    assert [event.type for event in stored] == ["Paid", "Paid", "Ended", "Paid"]
    with pytest.raises(Refused, match="more than 100"):
        _pay(postgres, TODAY, "8.26")
    assert _pay(postgres, TODAY, "8.25").version == 5


def test_stored_bytes_stay_as_they_were(stored: list[StoredEvent]) -> None:
    assert stored[0].data == b'{"type":"Paid","account":"a-1","cents":150,"at":"2026-01-01T00:00:00Z"}'


def test_the_folds_see_todays_events(stored: list[StoredEvent]) -> None:
    def fold(account: Account | None, event: Any, _: Envelope[Any]) -> Account:
        return Account("a-1", (account.amount if account else Decimal(0)) + _paid(event), "mixed")

    folder = Folder(TODAY, [Fold("accounts", by_stream, fold)])
    records = [Folded(record.key, record.value, record.offset) for record in _records(stored)]
    changes = folder.run(records, [{}])
    row = row_decoder(TODAY.aggregate("accounts")).decode(changes.rows[0][b"a-1"] or b"")
    assert (row.data.amount, changes.held, changes.events) == (Decimal("91.75"), {}, 4)


def test_the_sink_loads_todays_shape_and_keeps_the_bytes_of_the_others(stored: list[StoredEvent]) -> None:
    [insert] = EventsTarget(TODAY).inserts(0, _records(stored), lambda _: _Types()).each
    assert insert.column("type") == ["Paid", "Paid", "Closed", "Paid"]
    paid, closed = b'{"type":"Paid.3","account":"a-1",', b'{"type":"Closed","account":"a-1",'
    assert insert.column("data") == [
        paid + b'"amount":"1.5","currency":"EUR","at":"2026-01-01T00:00:00Z"}',
        paid + b'"amount":"20.25","currency":"USD","at":"2026-01-01T00:00:00Z"}',
        closed + b'"reason":"unknown","at":"2026-01-01T00:00:00Z"}',
        stored[3].data,
    ]
    assert insert.column("stored") == [stored[0].data, stored[1].data, stored[2].data, b""]


class _Types(dict[str, str]):
    def __missing__(self, name: str) -> str:
        if name.endswith("time"):
            return "DateTime64(6, 'UTC')"
        return "UInt64" if name in ("position", "version", "kafka_partition", "kafka_offset") else "String"


def _records(stored: list[StoredEvent]) -> list[Record]:
    return [Record(e.position, b"a-1", envelope(e.data, kind=e.type, position=e.position)) for e in stored]
