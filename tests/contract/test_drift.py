"""Tables whose definitions have changed: what is new is added, anything else stops with a sentence."""

from collections.abc import Iterator

import pytest

from schemas import Domain, Fatal
from sinks.clickhouse import ClickHouse
from sinks.tables import databases_of, definitions, prepare

NEW = "    note String DEFAULT 'none' CODEC(ZSTD(1)),\n    status LowCardinality(String),"


class Tables:
    """The tables of the domain, made of definitions in which a test replaces a piece."""

    def __init__(self, url: str, domain: Domain) -> None:
        self.connection, self.domain = ClickHouse(url), domain
        prepare(url, [domain])

    def change(self, old: str, new: str) -> None:
        """Prepare the tables as a process does whose definitions are others."""
        text = definitions(self.domain)
        assert old in text
        databases_of(self.connection, self.domain, text.replace(old, new, 1)).prepare()

    def columns(self, table: str) -> list[str]:
        return [row[0] for row in self.connection.execute(f"DESCRIBE TABLE {table}")]

    def databases(self) -> list[str]:
        found = self.connection.execute("SHOW DATABASES")
        return [name for (name,) in found if name.startswith(self.domain.namespace)]


@pytest.fixture
def tables(clickhouse: str, domain: Domain) -> Iterator[Tables]:
    made = Tables(clickhouse, domain)
    yield made
    made.connection.close()


def test_a_new_column_is_added_where_its_definition_has_it_and_rows_that_are_there_get_its_default(
    tables: Tables,
) -> None:
    orders = f"{tables.domain.projection_database}.orders"
    tables.connection.execute(f"INSERT INTO {orders} (order_id, placed_at) VALUES", [["o-1"], [0]])
    before = tables.columns(orders)
    tables.change("    status LowCardinality(String),", NEW)
    assert tables.columns(orders) == [*before[:2], "note", *before[2:]]
    assert tables.connection.execute(f"SELECT note FROM {orders}") == [("none",)]
    tables.change("    status LowCardinality(String),", NEW + " ")
    assert len(tables.databases()) == 2, "what was made beside is gone"


def test_a_new_column_of_the_events_is_seen_through_the_view_of_each_projection(tables: Tables) -> None:
    tables.change("    type LowCardinality(String),\n", "    type LowCardinality(String),\n    more UInt8,\n")
    for database in (tables.domain.database, tables.domain.projection_database):
        assert "more" in tables.columns(f"{database}.events"), database


def test_a_new_table_is_made(tables: Tables) -> None:
    fresh = "CREATE TABLE IF NOT EXISTS ${projection}.fresh (a UInt8) ENGINE = Memory;\n\n"
    tables.change("-- Revenue and orders by the month", f"{fresh}-- Revenue and orders by the month")
    assert tables.columns(f"{tables.domain.projection_database}.fresh") == ["a"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("    items UInt64,\n    total", "    items Int64,\n    total", "column items of {p}.orders is Int64 in its"),
        (
            "ORDER BY sku",
            "ORDER BY (sku, name)",
            "the order of {p}.products is 'sku, name' in its definition",
        ),
        ("countIf(type = 'OrderCancelled')", "countIf(type != 'x')", "the query of {e}.revenue_by_month_view is"),
        ("PARTITION BY intDiv(position, 10000000)", "PARTITION BY type", "the partition key of {e}.events is"),
    ],
)
def test_any_other_change_stops_with_a_sentence_and_alters_nothing(
    tables: Tables, old: str, new: str, sentence: str
) -> None:
    domain = tables.domain
    before = tables.columns(f"{domain.projection_database}.orders")
    named = sentence.format(p=domain.projection_database, e=domain.database)
    for _ in range(2):
        with pytest.raises(Fatal) as refused:
            tables.change(old, new)
        assert named in refused.value.detail
    assert tables.columns(f"{domain.projection_database}.orders") == before
    assert len(tables.databases()) == 2


def test_tables_are_compared_only_when_their_definitions_are_others(
    tables: Tables, clickhouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise AssertionError("definitions were run again")

    monkeypatch.setattr(ClickHouse, "run", run)
    prepare(clickhouse, [tables.domain])
    with pytest.raises(AssertionError):
        tables.change("UInt64", "UInt64 ")
