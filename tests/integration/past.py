"""A shop that goes on selling while its past is looked into, and what each position of its history must show."""

import random
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_driver
import httpx
import msgspec

from infra import migrations, topics
from infra.stack import Addresses
from producers.history import WholeHistory
from schemas import Domain, Money, discover, envelope_decoder, row_decoder, stage_module
from schemas.orders import OrderCancelled, OrderPlaced
from streams.folding import Folder
from streams.kit.memory import whole
from tests.conftest import fresh_database
from tests.e2e.shop import orders, send
from tests.pipeline import Pipeline

# Read-model rows by aggregate: each table in the order of its keys.
Tables = dict[str, list[dict[str, Any]]]
_PRODUCT = "product:mug-{}"


class PastShop:
    """A pipeline with a catalogue and orders."""

    def __init__(self, pipeline: Pipeline, domain: Domain) -> None:
        self.pipeline, self.domain = pipeline, domain
        self.http = httpx.Client(base_url=f"{pipeline.url}/api/orders", timeout=60)
        self._next = 0

    def close(self) -> None:
        self.http.close()

    def sell(self, count: int) -> None:
        """So many orders more."""
        commands, _ = orders(self._next, count)
        self._next += count
        send(self.pipeline, commands)

    def catalogue(self, count: int) -> None:
        """Products that come, change, are restocked, and partly go."""
        chance = random.Random(5)
        for number in range(count):
            sku = f"mug-{number}"
            price = {"amount": f"{chance.randint(1, 900)}.{chance.randint(10, 99)}", "currency": "EUR"}
            self._command(sku, "add-product", name=f"Mug {number}", stock=number, price=price if number % 2 else None)
            self._command(sku, "restock-product", quantity=number + 1)
            if number % 3 == 0:
                self._command(sku, "withdraw-product")

    def _command(self, sku: str, verb: str, **fields: Any) -> None:
        answer = self.http.post(f"/product:{sku}/{verb}", json={"sku": sku, **fields})
        assert answer.status_code in (200, 201), answer.text

    def ask(self, path: str, expected: int = 200, /, **parameters: Any) -> Any:
        """The decoded answer below the domain's routes."""
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == expected, answer.text[:600]
        return answer.json()

    def visible(self) -> int:
        """Wait until all that was accepted is visible; the head."""
        for aggregate in ("orders", "customers", "products"):
            found = self.ask(f"/aggregates/{aggregate}", consistency="strong", timeout=30, limit=1)
        return int(found["freshness"]["head"])

    def tables(self, position: int | str) -> Tables:
        """All tables as of a position, over HTTP, page by page."""
        found: Tables = {}
        for aggregate in ("orders", "customers", "products"):
            asked = {"as_of": position, "limit": 1000, "timeout": 30}
            page = self.ask(f"/aggregates/{aggregate}", **asked)
            found[aggregate] = page["data"]
            while page["next"]:
                page = self.ask(f"/aggregates/{aggregate}", **asked, cursor=page["next"])
                found[aggregate] += page["data"]
        return found


@contextmanager
def opened(servers: Addresses, home: Path, kept: int) -> Iterator[PastShop]:
    """A shop with some history, all of it visible, of whose editions so many are kept."""
    namespace = f"past{uuid.uuid4().hex[:8]}"  # topics outlive a test on given servers, and fit no other history
    domain = discover(namespace)["orders"]
    with fresh_database(servers.postgres) as postgres:
        migrations.migrate(postgres)
        topics.declare(servers.kafka, [domain])
        pipeline = Pipeline(replace(servers, postgres=postgres), namespace, home)
        pipeline.settings["HEADRACE_AS_OF_EDITIONS"] = str(kept)
        pipeline.start("relay", "worker", "sink", "api")
        try:
            with closing(PastShop(pipeline, domain)) as made:
                made.sell(10)
                made.catalogue(12)
                made.sell(50)
                made.visible()
                yield made
        finally:
            for name in list(pipeline.running):
                pipeline.kill(name)


def databases(shop: PastShop) -> list[str]:
    """The editions that there are, whole or not."""
    names = (str(name) for (name,) in run(shop, "SHOW DATABASES"))
    return [name for name in names if name.startswith(f"{shop.domain.projection_database}_asof_")]


def run(shop: PastShop, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement that ClickHouse runs."""
    client = clickhouse_driver.Client.from_url(shop.pipeline.addresses.clickhouse)
    try:
        return list(client.execute(statement))
    finally:
        client.disconnect()


class Selling:
    """Sells on, one order after the other, while this lasts."""

    def __init__(self, shop: PastShop) -> None:
        self._shop, self._ended = shop, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sold = 0

    def __enter__(self) -> "Selling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.3):
            self._shop.sell(1)
            self.sold += 1


class Ledger:
    """The events of a shop, and what a plain fold in memory makes of those up to a position."""

    def __init__(self, postgres: str, domain: Domain) -> None:
        decode = envelope_decoder(domain).decode
        with closing(WholeHistory(postgres, domain)) as history:
            pages = history.rows(0, history.head())
            self.events = [decode(row.value) for page in pages for row in page]
        self._domain, self._folder = domain, Folder(domain, stage_module("streams", domain).FOLDS)

    def tables(self, position: int) -> Tables:
        """The rows of all tables, as they are answered."""
        rows = whole(self._folder, self.events[:position]).rows
        shown = {"orders": _order, "customers": _customer, "products": _product}
        made: Tables = {}
        for fold, table in zip(self._folder.folds, rows, strict=False):
            decode = row_decoder(self._domain.aggregate(fold.aggregate)).decode
            show = shown[fold.aggregate]
            found = [(key.decode(), decode(value)) for key, value in sorted(table.items())]
            made[fold.aggregate] = [_json({**show(key, row.data), "position": row.position}) for key, row in found]
        return made

    def revenue(self, position: int) -> list[dict[str, Any]]:
        """What the named query of the revenue says."""
        sums: dict[str, dict[str, Any]] = defaultdict(
            lambda: {"orders": 0, "items": 0, "revenue": Decimal(0), "cancelled": 0, "refunded": Decimal(0)}
        )
        for event in (each.data for each in self.events[:position]):
            if isinstance(event, OrderPlaced | OrderCancelled):
                of = sums[f"{event.at:%Y-%m}"]
                if isinstance(event, OrderPlaced):
                    of["orders"], of["items"] = of["orders"] + 1, of["items"] + event.items
                    of["revenue"] += event.total.amount
                else:
                    of["cancelled"], of["refunded"] = of["cancelled"] + 1, of["refunded"] + event.total.amount
        return [
            {
                "month": month,
                "currency": "USD",
                **of,
                "revenue": f"{of['revenue']:.2f}",
                "refunded": f"{of['refunded']:.2f}",
            }
            for month, of in sorted(sums.items())
        ]


def _order(key: str, order: Any) -> dict[str, Any]:
    names = ("customer_id", "status", "items", "placed_at", "paid_at", "shipped_at", "delivered_at", "cancelled_at")
    return {"order_id": key, **_fields(order, names), **_money(order.total, "total")}


def _customer(key: str, customer: Any) -> dict[str, Any]:
    names = ("orders", "items", "first_purchase", "last_purchase", "delivered", "cancelled")
    spent = {currency: f"{amount:.2f}" for currency, amount in customer.spent.items()}
    return {"customer_id": key, **_fields(customer, names), "spent": spent}


def _product(key: str, product: Any) -> dict[str, Any]:
    names = ("name", "supplied", "added_at", "withdrawn_at")
    return {"sku": key, **_fields(product, names), **_money(product.price, "price")}


def _fields(value: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _money(money: Money | None, name: str) -> dict[str, Any]:
    return {name: f"{money.amount:.2f}" if money else None, "currency": money.currency if money else ""}


def _json(row: dict[str, Any]) -> dict[str, Any]:
    return dict(msgspec.json.decode(msgspec.json.encode(row)))
