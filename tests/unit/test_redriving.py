"""Refolds beside the chunks: an event store that is away, requests that come twice, events and rebalances meanwhile."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas import Control, Unavailable, encode
from streams import redriving
from streams.changes import Changes
from streams.failures import Held
from streams.redriving import Redriver
from streams.refolding import Refold
from tests.integration.order_source import START
from tests.unit.test_versions import RECORDS, Store, Tables

KEY = RECORDS[0].key


def held(due: str) -> bytes:
    return encode(Held(position=1, event_id="e", offset=0, error="a bug", due=due))


@dataclass
class Partition:
    """What a redriver needs of a partition whose events were all passed over."""

    tables: Tables = field(default_factory=Tables)
    held: dict[bytes, bytes] = field(default_factory=lambda: {KEY: held("first")})
    position: int = 200
    commit: None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def rows(self) -> tuple[dict[bytes, bytes], ...]:
        return self.tables.rows

    @property
    def mark(self) -> Control:
        return Control(position=self.position, time=START)


class Disturbed(Store):
    """An event store in which something happens at each read."""

    def __init__(self, happens: Callable[[int], None]) -> None:
        super().__init__(RECORDS)
        self._happens, self.reads = happens, 0

    def skipped(self, key: str) -> frozenset[str]:
        self.reads += 1
        self._happens(self.reads)
        return super().skipped(key)


def redriven(partition: Partition, store: Store, owned: Callable[[], bool] = lambda: True) -> list[tuple[int, Changes]]:
    """What was handed over, and at which position, once nothing is due any more."""
    found: list[tuple[int, Changes]] = []

    def hand_over(changes: Changes) -> None:
        found.append((partition.position, changes))
        partition.tables.apply(changes)
        for key in changes.released:
            del partition.held[key]

    async def run() -> None:
        begin: Any = lambda key, request: Refold(partition.tables.folder, key, request, store)  # noqa: E731  # a callable
        redriver = Redriver("test", partition, begin, owned, hand_over)  # type: ignore[arg-type]  # all that it uses
        redriver.wake()
        redriver.wake()
        assert redriver._working is not None
        await asyncio.wait_for(redriver._working, 20)

    asyncio.run(run())
    return found


def _right(position: int) -> dict[bytes, bytes]:
    tables = Tables()
    tables.run([record for record in RECORDS[:position] if record.key == KEY])
    return tables.rows[1]


def test_an_event_store_that_is_away_is_asked_again_and_the_key_stays_held(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redriving, "_PAUSE_SECONDS", 0.01)
    partition = Partition()

    def away(read: int) -> None:
        if read <= 3:
            assert KEY in partition.held
            raise Unavailable("PostgreSQL does not answer")

    assert [position for position, _ in redriven(partition, Disturbed(away))] == [200]
    assert partition.tables.rows[1] == _right(200)
    assert caplog.text.count("stays held, its refold is tried again: PostgreSQL does not answer") == 3


def test_events_that_come_while_the_key_is_refolded_are_in_it() -> None:
    partition = Partition()

    def more(read: int) -> None:
        partition.position = 250 if read == 1 else partition.position

    [(position, _)] = redriven(partition, Disturbed(more))
    assert position == 250
    assert partition.tables.rows[1] == _right(250)


def test_the_answer_to_a_request_that_was_made_again_is_that_to_the_newer_one() -> None:
    partition = Partition()

    def again(read: int) -> None:
        if read == 2:
            partition.held[KEY] = held("second")

    store = Disturbed(again)
    assert len(redriven(partition, store)) == 1
    assert store.reads == 4, "the first one's result was dropped"
    assert partition.held == {}


@pytest.mark.parametrize("lost_at", [1, 2])
def test_nothing_is_changed_once_the_partition_belongs_to_another_worker(lost_at: int) -> None:
    partition, here = Partition(), [True]

    def lose(read: int) -> None:
        here[0] = read < lost_at

    assert redriven(partition, Disturbed(lose), lambda: here[0]) == []
    assert partition.held == {KEY: held("first")}
