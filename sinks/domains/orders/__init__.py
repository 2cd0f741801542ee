"""Orders in ClickHouse: tables in `tables.sql`, named queries in `queries/`."""

from operator import attrgetter

from sinks.table import Table

TABLES = (
    Table(
        "orders",
        key="order_id",
        columns={
            "customer_id": attrgetter("customer_id"),
            "status": attrgetter("status"),
            "items": attrgetter("items"),
            "total": attrgetter("total.amount"),
            "currency": attrgetter("total.currency"),
            "placed_at": attrgetter("placed_at"),
            "paid_at": attrgetter("paid_at"),
            "shipped_at": attrgetter("shipped_at"),
            "delivered_at": attrgetter("delivered_at"),
            "cancelled_at": attrgetter("cancelled_at"),
        },
    ),
    Table(
        "customers",
        key="customer_id",
        columns={
            "orders": attrgetter("orders"),
            "items": attrgetter("items"),
            "spent": attrgetter("spent"),
            "first_purchase": attrgetter("first_purchase"),
            "last_purchase": attrgetter("last_purchase"),
            "delivered": attrgetter("delivered"),
            "cancelled": attrgetter("cancelled"),
        },
    ),
    Table(
        "products",
        key="sku",
        columns={
            "name": attrgetter("name"),
            "price": lambda product: product.price and product.price.amount,
            "currency": lambda product: product.price.currency if product.price else "",
            "supplied": attrgetter("supplied"),
            "added_at": attrgetter("added_at"),
            "withdrawn_at": attrgetter("withdrawn_at"),
        },
    ),
)
