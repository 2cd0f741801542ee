"""The rules over orders, payments and deliveries: they hold for an order that went its way, and each finds a lie."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import clickhouse_driver
import pytest

from schemas import discover
from sinks.constraints import constraints_of
from sinks.tables import prepare

DAY = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("orders", "payments", "deliveries")


class Tables:
    """The tables of the three domains, filled by hand."""

    def __init__(self, url: str, namespace: str) -> None:
        known = discover(namespace)
        self.domains = {name: known[name] for name in NAMES}
        prepare(url, list(self.domains.values()))
        self.client = clickhouse_driver.Client.from_url(url)
        self._offset = 0

    def row(self, name: str, **row: Any) -> None:
        """The next version of a row of the aggregate that is called as its domain is."""
        self._offset += 1
        engine = {"position": self._offset, "epoch": 0, "is_deleted": 0, "kafka_partition": 0}
        whole = {**row, **engine, "kafka_offset": self._offset}
        statement = f"INSERT INTO {self.domains[name].projection_database}.{name} ({', '.join(whole)}) VALUES"
        self.client.execute(statement, [tuple(whole.values())])

    def payment_event(self, kind: str, stream: str, at: datetime, amount: str = "") -> None:
        self._offset += 1
        data = f'{{"type":"{kind}","amount":{{"amount":"{amount}","currency":"EUR"}}}}' if amount else "{}"
        row = {"position": self._offset, "id": f"e-{self._offset}", "type": kind, "stream": stream, "version": 1}
        row |= {"partition_key": "c", "event_time": at, "time": at, "correlation_id": "c", "causation_id": ""}
        row |= {"hash": "h", "data": data, "kafka_partition": 0, "kafka_offset": self._offset}
        statement = f"INSERT INTO {self.domains['payments'].database}.events ({', '.join(row)}) VALUES"
        self.client.execute(statement, [tuple(row.values())])

    def violations(self, name: str) -> dict[str, list[Any]]:
        """What violates each constraint of a domain, by the constraint's name."""
        databases = {each: domain.projection_database for each, domain in self.domains.items()}
        self.client.execute(f"USE {databases[name]}")
        return {
            rule.name: self.client.execute(re.sub(r"\{upto\w*:UInt64\}", "1000000", rule.query(databases)))
            for rule in constraints_of(self.domains[name])
        }

    def order(self, id_: str = "o", status: str = "delivered", **also: Any) -> None:
        row = {"customer_id": "c", "items": 1, "total": Decimal("10.00"), "currency": "EUR", "placed_at": DAY}
        self.row("orders", order_id=id_, status=status, **row, **also)

    def payment(self, id_: str = "o", status: str = "received", amount: str = "10.00", hours: float = 1) -> None:
        row = {"customer_id": "c", "currency": "EUR", "requested_at": DAY, "due_at": DAY + timedelta(days=1)}
        received = DAY + timedelta(hours=hours)
        self.row("payments", order_id=id_, status=status, amount=Decimal(amount), received_at=received, **row)

    def delivery(self, id_: str = "o", status: str = "completed") -> None:
        row = {"customer_id": "c", "country": "DE", "carrier": "post", "booked_at": DAY}
        self.row("deliveries", order_id=id_, status=status, dispatched_at=DAY + timedelta(hours=2), **row)


@pytest.fixture
def tables(clickhouse: str, namespace: str) -> Iterator[Tables]:
    made = Tables(clickhouse, namespace)
    made.order()
    made.payment()
    made.payment_event("PaymentReceived", "o", DAY + timedelta(hours=1), "10.00")
    made.delivery()
    yield made
    for domain in made.domains.values():
        for database in (domain.projection_database, domain.database):
            made.client.execute(f"DROP DATABASE IF EXISTS {database}")
    made.client.disconnect()


def test_an_order_that_went_its_way_violates_nothing(tables: Tables) -> None:
    found = {**tables.violations("payments"), **tables.violations("deliveries")}
    assert len(found) == 5
    assert not any(found.values())


def test_money_that_is_not_the_orders_is_found(tables: Tables) -> None:
    tables.payment(amount="9.99")
    found = tables.violations("payments")
    assert [row[0] for row in found["paid-orders-have-their-money"]] == ["o"]
    assert [row[0] for row in found["takings-add-up"]] == ["EUR"]


def test_money_that_is_kept_of_a_cancelled_order_is_found_after_its_time(tables: Tables) -> None:
    tables.order("gone", "cancelled", cancelled_at=DAY)
    tables.payment("gone")
    tables.payment_event("PaymentReceived", "gone", DAY + timedelta(minutes=30), "10.00")
    tables.payment_event("PaymentRequested", "other", DAY + timedelta(hours=3))
    assert [row[0] for row in tables.violations("payments")["cancelled-orders-keep-no-money"]] == ["gone"]
    tables.payment("gone", "refunded")
    assert tables.violations("payments")["cancelled-orders-keep-no-money"] == []


def test_an_order_that_was_not_delivered_as_it_says_is_found(tables: Tables) -> None:
    tables.delivery(status="failed")
    assert [row[0] for row in tables.violations("deliveries")["delivered-orders-were-delivered"]] == ["o"]


def test_a_parcel_that_left_before_its_money_came_is_found(tables: Tables) -> None:
    tables.payment(hours=5)
    assert [row[0] for row in tables.violations("deliveries")["nothing-is-dispatched-unpaid"]] == ["o"]
