"""One ordered source: archive, then event store, then the topic, whatever was trimmed or removed behind them."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra import archiving
from infra.archived import ArchivedSource
from infra.history import recorded
from infra.ordered import Ordered
from infra.stack import Addresses
from producers import PostgresEventStore
from schemas import CONTROL_KEYS, Domain, Fatal
from sinks.archive.location import Location
from streams.domains.orders import FOLDS
from streams.kit import given
from streams.kit.history import Tables
from streams.kit.live import worked
from streams.replay import KafkaSource, replay
from tests.integration.relayed import append, complete, paid_orders, relaying
from tests.tampering import tampering

RELAYED, ARCHIVED, LAST = 120, 50, 140  # batches, and so appends, have fifty events
Records = list[list[tuple[Any, Any]]]


class Past:
    """120 events on the topic, 140 in the event store, the first 50 in the archive, and the live rows at 120."""

    def __init__(self, domain: Domain, addresses: Addresses, tmp_path: Path) -> None:
        self.domain, self.at, self.url = domain, addresses, str(tmp_path / "archive")
        self._store = PostgresEventStore(addresses.postgres, domain)
        append(self._store, domain, paid_orders(0, 60))
        with relaying(domain, addresses.postgres, addresses.kafka):
            complete(addresses.kafka, domain, RELAYED)
        self.history = given(domain, folds=FOLDS)
        self.live = worked(self.history, addresses.kafka, tmp_path / "worker", RELAYED)
        append(self._store, domain, paid_orders(60, 70))
        self._store.close()
        archiving.archive(addresses.postgres, domain, Location(self.url), ARCHIVED)
        self.records = self.read()

    def read(self, upto: int = LAST) -> Records:
        """Key and value of the events of each partition."""
        at, partitions = self.at, range(self.domain.partitions)
        with closing(Ordered(self.domain, at.kafka, at.postgres, self.url)) as source:
            return [
                [record[:2] for batch in source.read(number, upto) for record in batch if record[0] not in CONTROL_KEYS]
                for number in partitions
            ]

    def rows(self, position: int) -> Tables:
        """The rows at a position, folded anew in other processes."""
        task = recorded(self.domain, self.at, self.url).task(position, everything)
        return self.history.tables(replay(task, range(self.domain.partitions), processes=2))

    def trim(self, offsets: list[int]) -> None:
        """Delete the records of each partition of the topic before an offset; -1: all of them."""
        places = [TopicPartition(self.domain.events_topic, number, each) for number, each in enumerate(offsets)]
        admin = AdminClient({"bootstrap.servers": self.at.kafka})
        for done in admin.delete_records(places).values():
            done.result(30)

    def refuses(self, sentence: str, statement: str) -> None:
        """With a change of the event store, which is undone afterwards, a read ends with a sentence."""
        with tampering(self.at.postgres, self.domain) as tamperer:
            tamperer.run("CREATE TABLE kept AS SELECT * FROM events")
            tamperer.run(statement)
        with pytest.raises(Fatal, match=sentence):
            self.read()
        with tampering(self.at.postgres, self.domain) as tamperer:
            tamperer.run("DELETE FROM events")
            tamperer.run("INSERT INTO events SELECT * FROM kept")
            tamperer.run("DROP TABLE kept")


def everything(found: Any) -> Any:
    """All that was replayed, back to the one who asked."""
    return found


@pytest.fixture
def past(domain: Domain, addresses: Addresses, tmp_path: Path) -> Past:
    return Past(domain, addresses, tmp_path)


def test_rows_are_the_live_ones_byte_for_byte_after_topic_and_event_store_were_trimmed(past: Past) -> None:
    assert [len(part) for part in past.records] != [0] * past.domain.partitions
    assert past.rows(RELAYED) == past.live
    expected = past.records
    past.trim([12, 0, 30, 5])  # offsets within what is archived, nothing, and within what is not
    with tampering(past.at.postgres, past.domain) as tamperer:
        tamperer.run("DELETE FROM events WHERE domain = %(domain)s AND position <= 40")
    assert past.read() == expected
    assert past.rows(RELAYED) == past.live
    past.trim([-1, -1, -1, -1])
    assert past.read() == expected
    assert past.rows(RELAYED) == past.live
    with closing(ArchivedSource(past.domain, past.url)) as source:
        alone = [[r[:2] for batch in source.read(n, ARCHIVED) for r in batch] for n in range(past.domain.partitions)]
        with pytest.raises(Fatal, match="ends at position 50, before 51"):
            list(source.read(0, ARCHIVED + 1))
    assert alone == past.read(ARCHIVED)


def test_a_gap_or_two_histories_where_sources_meet_end_the_read_with_a_sentence(past: Past) -> None:
    past.trim([-1, -1, 20, -1])
    with closing(KafkaSource(past.at.kafka, past.domain.events_topic)) as source:
        [first, *_] = next(source.tail(2, 20, LAST))
        meeting = json.loads(first[1] or b"")["position"]
    assert ARCHIVED < meeting < RELAYED
    assert past.read() == past.records
    where = "WHERE domain = %(domain)s AND position ="
    past.refuses(
        r"no event of orders at position 51.*; the archive at .* ends at position 50", f"DELETE FROM events {where} 51"
    )
    past.refuses(
        r"does not continue the archive at .*: at position 50", f"UPDATE events SET digest = sha256(digest) {where} 50"
    )
    past.refuses(
        f"what the topic has at position {meeting} is not the event that was stored",
        f"UPDATE events SET command = 'another' {where} {meeting}",
    )
    past.refuses(
        f"what the topic has at position {meeting} is not the event that was stored",
        f"UPDATE events SET partition_key = 'of another partition' {where} {meeting}",
    )
    assert past.read() == past.records
