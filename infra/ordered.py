"""The one ordered source of a domain's records: the archive, then the event store, then the tail of the topic.

Each takes over from the one before it at an exact position. What two of them have is compared where they meet, and an
event that none has, or that one has twice, ends the read with a sentence.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property

from infra.archived import ArchivedSource, ending
from producers.history import WholeHistory
from producers.relay.partitioner import partition_of
from schemas import CONTROL_KEYS, Domain, Fatal
from streams.changes import AnyRecord, Record
from streams.replay import KafkaSource
from streams.replay.kafka import before

_NOT_FROM_KAFKA = -1
_ANY = 2**63 - 1


class StoredSource:
    """The records of a domain as the relay publishes them, from the event store: no control records, no offsets."""

    def __init__(self, domain: Domain, postgres: str) -> None:
        self._partitions, self._history = domain.partitions, WholeHistory(postgres, domain)
        self._numbers: dict[bytes, int] = {}

    def close(self) -> None:
        """Close the connection."""
        self._history.close()

    def read(self, partition: int, upto: int) -> Iterator[Sequence[Record]]:
        """The records of a partition up to a position. Reads the events of all partitions to find them."""
        return self.between(partition, 0, upto)

    def between(self, partition: int, after: int, upto: int) -> Iterator[Sequence[Record]]:
        """The records of a partition after one position up to another. Raises Fatal where an event is missing."""
        for page in self._history.rows(after, upto):
            records = [
                Record(row.key, row.value, _NOT_FROM_KAFKA) for row in page if self._number(row.key) == partition
            ]
            if records:
                yield records

    def digest_at(self, position: int) -> str | None:
        """The rolling digest after an append that ends at a position, in hex. Raises Fatal when there is no event."""
        [[row]] = self._history.rows(position - 1, position)
        return row.digest

    def _number(self, key: bytes) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = partition_of(key, self._partitions)
        return number


class Ordered:
    """The records of a domain from wherever they are whole.

    From the event topic alone while that still has its first record. Where it was trimmed, what it lacks comes from the
    archive (when there is one) and, from where that ends, from the event store; so does what is not published yet.
    """

    def __init__(self, domain: Domain, kafka: str, postgres: str, archive: str = "") -> None:
        self._domain, self._archive = domain, archive
        self._kafka = KafkaSource(kafka, domain.events_topic)
        self._stored = StoredSource(domain, postgres)

    def close(self) -> None:
        """Let go of connections."""
        self._kafka.close()
        self._stored.close()

    def read(self, partition: int, upto: int) -> Iterator[Sequence[AnyRecord]]:
        """The records of a partition up to a position. Raises Unavailable, and Fatal where an event is missing."""
        first = self._kafka.first(partition)
        if first == 0:
            yield from self._kafka.read(partition, upto)
            reached = self._kafka.reached
        else:
            reached = yield from self._trimmed(partition, first, upto)
        # What is not published yet.
        yield from self._kept(partition, reached, upto)

    def _trimmed(self, partition: int, first: int, upto: int) -> Generator[Sequence[AnyRecord], None, int]:
        """The records of a partition whose topic begins at an offset; answers up to which position they go."""
        with closing(self._kafka.tail(partition, first, upto)) as tail:
            began = list[Sequence[AnyRecord]]()
            begin = number = 0
            for batch in tail:
                began.append(batch)
                begin, number = _first_position(batch)
                if begin:
                    break
            if not begin:  # of the positions wanted, the topic has none
                return 0
            stored: AnyRecord | None = None
            for records in self._kept(partition, 0, begin):
                stored = records[-1]
                yield records
            last = began[-1]
            if last[number][0] not in CONTROL_KEYS:  # an event that both have
                self._compare(partition, begin, stored, last[number])
                began[-1] = [*last[:number], *last[number + 1 :]]
            yield from began
            yield from tail
        return self._kafka.reached

    def _compare(self, partition: int, position: int, stored: AnyRecord | None, found: AnyRecord) -> None:
        if stored is None or tuple(stored[:2]) != tuple(found[:2]):
            raise Fatal(
                f"partition {partition} of {self._domain.events_topic} and the history before it do not fit together: "
                f"what the topic has at position {position} is not the event that was stored",
                rule="history-differs",
            )

    def _kept(self, partition: int, after: int, upto: int) -> Iterator[Sequence[AnyRecord]]:
        """The records after one position up to another, from archive and event store."""
        if after >= upto:
            return
        archived = self._archived
        end = min(archived.end, upto) if archived else 0
        if archived and after < end:
            yield from archived.between(partition, after, end)
        if max(after, end) < upto:
            yield from self._from_store(partition, max(after, end), upto)

    def _from_store(self, partition: int, after: int, upto: int) -> Iterator[Sequence[AnyRecord]]:
        archived = self._archived
        if archived and after == archived.end and (digest := self._digest_at(after)) not in (None, archived.digest):
            raise Fatal(
                f"the event store does not continue the archive at {self._archive}: at position {after} its digest is "
                f"{digest}, the archive's is {archived.digest}",
                rule="history-differs",
            )
        try:
            yield from self._stored.between(partition, after, upto)
        except Fatal as error:
            raise Fatal(f"{error.detail}; {ending(archived)}", rule=error.rule) from error

    def _digest_at(self, position: int) -> str | None:
        try:
            return self._stored.digest_at(position)
        except Fatal:
            return None  # what is archived need not be in the store any more

    @cached_property
    def _archived(self) -> ArchivedSource | None:
        return ArchivedSource(self._domain, self._archive) if self._archive else None


def _first_position(records: Sequence[AnyRecord]) -> tuple[int, int]:
    """The first position among records and the number of its record; 0 when none has one."""
    found = ((before([record], _ANY)[1], number) for number, record in enumerate(records))
    return next((each for each in found if each[0]), (0, 0))
