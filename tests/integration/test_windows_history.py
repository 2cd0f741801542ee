"""Windows of a history that racing commands and a ticker made: live, replayed from Kafka, and from PostgreSQL."""

import asyncio
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

import pytest

from infra import topics
from producers import CommandHandler, PostgresEventStore, Request
from producers.history import WholeHistory
from producers.relay.records import Checkpoint
from producers.relay.source import Source
from producers.upkeep.ticks import run_ticks
from schemas import Domain, HeadraceError
from streams.kit import Given, Tables, given, replayed, worked
from streams.kit.memory import Partition, Record
from tests.integration.relayed import complete, relaying
from tests.meters import DECIDER, FOLDS, Measure, meters
from tests.pipeline import until

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def sensors(namespace: str, kafka: str) -> Domain:
    made = meters(namespace, partitions=2, tick_after=timedelta(milliseconds=300))
    topics.declare(kafka, [made])
    return made


def command(domain: Domain, postgres: str, name: str) -> None:
    """A process's share of readings, out of order over four hours."""
    random, numbers = Random(name), count()

    async def main() -> None:
        store = PostgresEventStore(postgres, domain)
        handler = CommandHandler(domain, DECIDER, store)
        for n in range(15):
            at = [NOON + (n * 16 - random.choice((0, 5, 40, 100))) * MINUTE for _ in range(10)]
            sensors = [f"s-{random.randrange(8)}" for _ in at]
            commands = [Measure(sensor=s, value=1, at=a) for s, a in zip(sensors, at, strict=True)]
            results = await handler.submit([Request(c, f"{name}-{next(numbers)}") for c in commands])
            assert not [result for result in results if isinstance(result, HeadraceError)]
        await handler.close()
        store.close()

    asyncio.run(main())


def from_postgres(history: Given, postgres: str) -> Tables:
    """The tables folded from the store through the bytes that the relay makes of it."""
    partition = Partition(history.folder)
    with Source(postgres, history.domain) as source:
        _, rows = source.read(Checkpoint())
    partition.fold([Record(row.key, row.value, offset) for offset, row in enumerate(rows)])
    return history.tables([partition])


def test_what_racing_commands_made_is_the_same_bytes_from_every_source(
    kafka: str, postgres: str, sensors: Domain, tmp_path: Path
) -> None:
    stop = threading.Event()
    ticker = threading.Thread(target=run_ticks, args=([sensors], postgres, stop))
    racing = [threading.Thread(target=command, args=(sensors, postgres, name)) for name in ("a", "b", "c")]
    store = PostgresEventStore(postgres, sensors)
    folds = given(sensors, folds=FOLDS)
    with relaying(sensors, postgres, kafka):
        for thread in (ticker, *racing):
            thread.start()
        live = worked(folds, kafka, tmp_path, 200)
        for thread in racing:
            thread.join()
        until(lambda: "Ticked" in [event.type for event in store.read(450, 100)], what="a tick after all commands")
        stop.set()
        ticker.join()
        end = store.head().position
        complete(kafka, sensors, end)
        live = worked(folds, kafka, tmp_path, end)
    store.close()
    assert live == from_postgres(folds, postgres)
    with closing(WholeHistory(postgres, sensors)) as history:
        assert live == replayed(folds, kafka, history.at(end))
    assert any(b'"final":true' in row for row in live["hourly"].values())
    assert any(b'"late":0' not in row for row in live["hourly"].values())
