"""Writes each chunk of one partition as one Kafka transaction: rows, watermark, failures and the source offset."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas import WATERMARK_KEY, Control, Fatal, Unavailable, encode, reach
from streams.changes import Changes, Holds
from streams.failures import DeadLetter
from streams.group import Group, Member

_log = logging.getLogger(__name__)

_STEP_SECONDS = 5.0
_ATTEMPTS = 5
_MAX_LETTER_BYTES = 900_000
# Readers wait for the outcome of an open transaction: a dead worker may hold them up for no longer than this.
_TRANSACTION_TIMEOUT_MS = 10_000
_ANY_PARTITION = -1  # as its key says
_TAKEN_OVER = {
    KafkaError._FATAL,  # what every call says after the first that was fenced
    KafkaError._FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
}


class ChunkWriter:
    """The transactional producer of one partition. All methods block; call them from a thread.

    `given_up` is asked between attempts: once it is true, waiting for a broker that does not answer ends.
    `positions` are the positions up to which all is committed, by topic. `ends` has for each table the offset before
    which its changelog is complete with the last chunk, None where nothing was written to say so. A transaction that
    takes longer than `timeout_ms` is aborted by the broker.
    """

    def __init__(
        self,
        kafka: str,
        group: Group,
        partition: int,
        given_up: Callable[[], bool],
        timeout_ms: int = _TRANSACTION_TIMEOUT_MS,
    ) -> None:
        self._group, self._partition, self._given_up = group, partition, given_up
        self.positions = dict.fromkeys(group.sources, 0)
        self.ends: list[int | None] = []
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "transactional.id": group.transactional_id(partition),
                "transaction.timeout.ms": timeout_ms,
                "reconnect.backoff.max.ms": 1_000,
                # Otherwise sending offsets hangs for good once a broker went away and came back (librdkafka #5511).
                "metadata.recovery.strategy": "none",
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                "batch.size": 500_000,
                "message.max.bytes": 2_000_000,
                "queue.buffering.max.messages": 100_000,
                "queue.buffering.max.kbytes": 65_536,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def fence(self) -> None:
        """Shut out the partition's former owner and settle its open transaction. Must come before reading any state.

        Raises Unavailable when given up, Fatal when the broker refuses it.
        """
        try:
            self._until_done("init_transactions", lambda: self._producer.init_transactions(_STEP_SECONDS))
        except KafkaException as raised:
            raise self._refusal(raised.args[0]) from raised

    def commit(self, changes: Changes, holds: Holds, topic: str, next_offset: int, membership: Member) -> None:
        """Write the changes, `holds`, and the offset in `topic` in one transaction; a failed one is written again.

        Raises Fatal when another worker has taken the partition over or the broker refuses the records for good,
        Unavailable when given up.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            error = self._try_to_commit(changes, holds, topic, next_offset, membership)
            if error is None:
                reach("fold.committed")
                return
            # A record that may not be produced in the present state: what ended the transaction is said by its abort.
            ended = error.txn_requires_abort() or error.code() == KafkaError._STATE
            if error.code() in _TAKEN_OVER or attempt == _ATTEMPTS or not ended:
                raise self._refusal(error)
            _log.warning("partition %d: transaction aborted, trying again: %s", self._partition, error.str())
            try:
                self._until_done("abort", lambda: self._producer.abort_transaction(_STEP_SECONDS))
            except KafkaException as raised:
                raise self._refusal(raised.args[0]) from raised

    def _try_to_commit(
        self, changes: Changes, holds: Holds, topic: str, next_offset: int, membership: Member
    ) -> KafkaError | None:
        try:
            self._producer.begin_transaction()
            self._send(changes, holds, topic)
            self._commit_offset(topic, next_offset, membership, changes.mark)
            reach("fold.produced")
            self._until_done("commit", lambda: self._producer.commit_transaction(_STEP_SECONDS))
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            return error
        return None

    def close(self) -> None:
        """End the producer. An open transaction is left to the coordinator, which aborts it."""
        with suppress(KafkaException):  # a producer that was fenced says so again
            self._producer.close()

    def _refusal(self, error: KafkaError) -> Fatal:
        name = f"partition {self._partition} of {', '.join(self._group.sources)}"
        if error.code() in _TAKEN_OVER:
            return Fatal(
                f"{name} was taken over by another worker, or its transaction ran out of time, while this one was away "
                f"({error.str()}); what was not committed was not applied: start the worker again"
            )
        return Fatal(f"{name}: Kafka refused the transaction of a chunk: {error.str()}")

    def _send(self, changes: Changes, holds: Holds, source: str) -> None:
        produce, send, partition = self._produce, self._producer.produce, self._partition
        for table, rows in zip(self._group.tables.values(), changes.rows, strict=True):
            for key, value in rows.items():
                try:
                    send(table, value, key, partition)
                except BufferError:
                    produce(table, value, key)
        self.ends = [None] * len(self._group.tables)
        if changes.mark is not None:
            mark = encode(changes.mark)
            for number, table in enumerate(self._group.tables.values()):
                produce(table, mark, WATERMARK_KEY, delivered=self._noted(number))
        for key, held in holds.items():
            produce(self._group.held, held, key)
        for letter in changes.dead_letters:
            self._send_dead_letter(letter, source)
        for record in changes.sent:
            produce(record.topic, record.value, record.key, record.headers, _ANY_PARTITION)

    def _noted(self, table: int) -> Callable[[KafkaError | None, Message], None]:
        ends = self.ends

        def note(error: KafkaError | None, message: Message) -> None:
            if error is None:
                ends[table] = cast(int, message.offset()) + 1

        return note

    def _produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: list[tuple[str, str | bytes | None]] | None = None,
        partition: int | None = None,
        delivered: Callable[[KafkaError | None, Message], None] | None = None,
    ) -> None:
        """Produce a record, to the partition of this writer unless another is named."""
        partition = self._partition if partition is None else partition
        while True:
            try:
                return self._producer.produce(topic, value, key, partition, headers=headers, on_delivery=delivered)
            except BufferError:
                if self._given_up():
                    raise Unavailable("Kafka took no further records of a chunk") from None
                self._producer.poll(0.1)

    def _send_dead_letter(self, letter: DeadLetter, source: str) -> None:
        value = letter.value
        if value is not None and len(value) > _MAX_LETTER_BYTES:
            value = None  # its bytes are in the events topic, at the offset that the headers name
        headers: list[tuple[str, str | bytes | None]] = [
            ("error", letter.error),
            ("stack", letter.stack),
            ("position", str(letter.position)),
            ("event-id", letter.event_id),
            ("topic", source),
            ("offset", str(letter.offset)),
        ]
        self._produce(self._group.dead_letters, value, letter.key, headers)

    def _commit_offset(self, topic: str, next_offset: int, membership: Member, mark: Control | None) -> None:
        # The position goes along as metadata, for those who want to see how far the folds are.
        if mark is not None:
            self.positions[topic] = mark.position
        position = str(self.positions[topic])
        offsets = [TopicPartition(topic, self._partition, next_offset, metadata=position)]
        metadata = membership.metadata()
        self._until_done(
            "offsets", lambda: self._producer.send_offsets_to_transaction(offsets, metadata, _STEP_SECONDS)
        )

    def _until_done(self, what: str, step: Callable[[], None]) -> None:
        """Run a step of the transaction, again as long as its error says that it may succeed yet."""
        while True:
            try:
                return step()
            except KafkaException as raised:
                error = raised.args[0]
                if not error.retriable() or error.txn_requires_abort() or error.fatal():
                    raise
                if self._given_up():
                    raise Unavailable(f"Kafka did not answer ({what}): {error.str()}") from raised
                _log.warning("partition %d: %s: %s; waiting", self._partition, what, error.str())
                time.sleep(0.1)
