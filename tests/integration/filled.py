"""The read side's routes over tables that the test fills."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import clickhouse_driver
from litestar import Litestar
from litestar.testing import TestClient

from producers.http import EXCEPTION_HANDLERS
from schemas import Domain
from sinks.query import routes
from tests.proxy import Proxy

AT = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Shop:
    """The domain's tables, filled by hand, and its routes behind a proxy."""

    def __init__(self, writer: str, proxy: Proxy, reader: str, domain: Domain) -> None:
        self.domain, self.proxy = domain, proxy
        self.head: int | None = 0
        self._writer = clickhouse_driver.Client.from_url(writer)
        made = routes({domain.name: domain}, proxy.url(reader), lambda _: self.head)
        app = Litestar(route_handlers=made, exception_handlers=EXCEPTION_HANDLERS, openapi_config=None)
        self.http = TestClient(app, raise_server_exceptions=False)
        self._offset = 0

    def close(self) -> None:
        self._writer.disconnect()

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        self._writer.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES", [tuple(row.values())])

    def _engine(self, **also: Any) -> dict[str, Any]:
        self._offset += 1
        return {"position": self._offset, "epoch": 0, "is_deleted": 0, "kafka_offset": self._offset, **also}

    def order(self, order_id: str, total: str = "1.00", **also: Any) -> None:
        """A version of an order's row; the last one counts."""
        row = {"order_id": order_id, "customer_id": "c-1", "status": "placed", "items": 1, "currency": "USD"}
        row |= {"total": Decimal(total), "placed_at": AT, "kafka_partition": 0}
        self._insert(f"{self.domain.projection_database}.orders", {**row, **self._engine(), **also})

    def customer(self, customer_id: str, **spent: str) -> None:
        amounts = {currency: Decimal(amount) for currency, amount in spent.items()}
        row = {"customer_id": customer_id, "orders": 1, "items": 2, "spent": amounts, "delivered": 0, "cancelled": 0}
        row |= {"first_purchase": AT, "last_purchase": AT, "kafka_partition": 0}
        self._insert(f"{self.domain.projection_database}.customers", {**row, **self._engine()})

    def event(self, position: int, stream: str, version: int, kind: str, data: str) -> None:
        row = {"position": position, "id": f"e-{position}", "type": kind, "stream": stream, "version": version}
        row |= {"partition_key": "c-1", "event_time": AT, "time": AT, "correlation_id": "c", "causation_id": ""}
        row |= {"hash": "h", "data": data, "kafka_partition": 0, "kafka_offset": position}
        self._insert(f"{self.domain.database}.events", row)

    def complete(self, topic: str, position: int, partitions: int | None = None, time: datetime = AT) -> None:
        """The topic's tables are complete up to a position, in all of its partitions or in the first ones."""
        for number in range(self.domain.partitions if partitions is None else partitions):
            row = {"topic": topic, "epoch": "1", "kafka_partition": number, "position": position}
            self._insert(f"{self.domain.database}.progress", {**row, "time": time, "kafka_offset": position})

    def topic(self, aggregate: str) -> str:
        return self.domain.aggregate_topic(self.domain.aggregate(aggregate))

    def ask(self, path: str, expected: int = 200, /, **parameters: str) -> Any:
        """The decoded answer of a GET below the domain's routes."""
        answer = self.http.get(f"/api/orders{path}", params=parameters)
        assert answer.status_code == expected, answer.text[:500]
        assert "Stack trace" not in answer.text
        return answer.json()

    def ids(self, **parameters: str) -> list[str]:
        return [row["order_id"] for row in self.ask("/", **parameters)["data"]]
