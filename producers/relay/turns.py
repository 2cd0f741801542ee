"""Two transactional producers in turn: one transaction begins while the markers of the one before are being written.

A broker answers a commit once that is durable and writes the markers afterwards. Until they are written it refuses the
same transactional id's next transaction, and librdkafka asks again only after 20 ms
(`rd_kafka_txn_handle_AddPartitionsToTxn`, CONCURRENT_TRANSACTIONS). Another id need not wait. The order stays: a
transaction begins when the one before is committed, so its records stand behind, and readers of committed records do
not get past a transaction whose markers are missing.
"""

import logging
from collections.abc import Callable, Sequence
from itertools import cycle

from confluent_kafka import KafkaError, KafkaException, Producer

log = logging.getLogger(__name__)


class Turns:
    """The producers of these transactional ids. Making them fences any others, and settles what those left open.

    Raises KafkaException when that cannot be done within `seconds`. `lost` is called when the broker is away.
    """

    def __init__(self, kafka: str, ids: Sequence[str], seconds: float, lost: Callable[[KafkaError], None]) -> None:
        self._made: list[Producer] = []
        try:
            for id_ in ids:
                self._made.append(_producer(kafka, id_, lost))
                self._made[-1].init_transactions(seconds)
        except KafkaException:
            self.close()
            raise
        self._turns = cycle(self._made)

    def next(self) -> Producer:
        """Whose turn it is."""
        return next(self._turns)

    def poll(self) -> None:
        """Let the producers tell what they have noticed."""
        for producer in self._made:
            producer.poll(0)

    def close(self) -> None:
        """Let go of the producers, whatever they are doing."""
        # Not their close(): it tries to settle the transaction, which is the next producer's part, and complains.
        while self._made:
            self._made.pop().purge()
        self._turns = cycle(())


def _producer(kafka: str, transactional_id: str, lost: Callable[[KafkaError], None]) -> Producer:
    return Producer(
        {
            "bootstrap.servers": kafka,
            "error_cb": lost,
            "transactional.id": transactional_id,
            # A relay that died in a transaction holds up all readers for as long.
            "transaction.timeout.ms": 10_000,
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 2,
            "batch.size": 1 << 20,
            "message.max.bytes": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1 << 19,
        },
        logger=log,
    )
