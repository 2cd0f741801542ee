"""The events that `bench load` loads: the topic of the orders, as the relay writes it."""

from infra.bench.kafka import BareProducer
from infra.bench.orders import Orders
from producers.relay.records import Rows
from producers.store import Write
from schemas import Domain

_BATCH = 5000  # events in a transaction, as the relay's when it has much to do
_INSTANT = b"2026-01-01 12:00:00.123456+00"


class Input:
    """The events topic of a domain, written here alone."""

    def __init__(self, kafka: str, domain: Domain) -> None:
        """`domain`'s events topic must exist and be empty."""
        self.domain, self.count = domain, 0
        self._orders, self._rows = Orders(domain, "order"), Rows(domain)
        self._producer = BareProducer(kafka, domain.events_topic)

    def fill(self, count: int) -> None:
        """Write events until there are so many."""
        while self.count < count:
            rows = self._rows.parse([self._line(write) for write in self._orders.writes(_BATCH)])
            self._producer.publish([(row.key, row.value) for row in rows])

    def _line(self, write: Write) -> bytes:
        """One event as Postgres gives it to the relay (COPY text)."""
        self.count += 1
        [event] = write.events
        return b"%d\t%b\t%b\t%d\t%b\t%b\t%b\t%b\t\\N\t%b\t1\t\\N\t\\N\t%b\n" % (
            self.count, write.partition_key.encode(), write.stream.encode(), write.version + 1, event.type.encode(),
            _INSTANT, _INSTANT, event.hash.hex().encode(), write.command.encode(), event.data,
        )  # fmt: skip

    def close(self) -> None:
        """End the producer."""
        self._producer.close()
