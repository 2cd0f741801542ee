"""Trading from command to SQL: many want the same lots at once, every query answers, each constraint finds a lie."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from infra.stack import Addresses
from schemas import Command, discover, encode
from tests.lies import each_constraint_finds_a_lie
from tests.pipeline import Pipeline
from tests.trading import NOON, amend, cancel, limit, listed, market

LIES = {
    "book-is-not-crossed": "INSERT INTO {v}.orders SELECT * REPLACE (price + 100 AS price, kafka_offset + 1 AS"
    " kafka_offset) FROM {v}.orders FINAL WHERE order_id = 'bid'",
    "lots-are-conserved": "INSERT INTO {v}.orders SELECT * REPLACE (filled + 1 AS filled, kafka_offset + 1 AS"
    " kafka_offset) FROM {v}.orders FINAL WHERE order_id = 'first'",
    "positions-are-their-fills": "INSERT INTO {v}.positions SELECT * REPLACE (fills + 1 AS fills, kafka_offset + 1 AS"
    " kafka_offset) FROM {v}.positions FINAL WHERE trader_id = 'ann'",
    "positions-add-up-to-nothing": "INSERT INTO {v}.positions SELECT * REPLACE (realised + 1 AS realised, kafka_offset"
    " + 1 AS kafka_offset) FROM {v}.positions FINAL WHERE trader_id = 'bob'",
    "instruments-are-their-trades": "INSERT INTO {v}.instruments SELECT * REPLACE (volume + 1 AS volume, kafka_offset"
    " + 1 AS kafka_offset) FROM {v}.instruments FINAL",
    "trades-have-two-sides": "INSERT INTO {e}.events SELECT * REPLACE (position + 1000 AS position) FROM {e}.events"
    " WHERE type = 'OrderFilled' LIMIT 1",
}
RIVALS = 12
AHEAD = NOON.replace(year=2100)  # of our clock: then all is dated so, whatever the day of the test


def test_a_market_from_its_opening_to_its_figures(addresses: Addresses, namespace: str, tmp_path: Path) -> None:
    pipeline = Pipeline(addresses, namespace, tmp_path, domain="trading", settings={"HEADRACE_DOMAINS": "trading"})
    pipeline.prepare()
    pipeline.start("relay", "worker", "sink", "api")
    url = f"{pipeline.url}/api/trading"

    def send(commands: Sequence[Command]) -> None:
        lines = b"".join(b'{"command":%b}\n' % encode(each) for each in commands)
        answer = httpx.post(f"{url}/bulk", content=lines, timeout=60)
        assert b'"problem"' not in answer.content, answer.text

    def ask(query: str, *columns: str, **parameters: Any) -> list[tuple[Any, ...]]:
        return [tuple(row[name] for name in columns) for row in _rows(url, query, instrument="X", **parameters)]

    try:
        send([listed(at=AHEAD), limit("first", "sell", 100, 5, "bob"), limit("second", "sell", 102, 5, "bob")])
        send([market("take", "buy", 8, "ann"), limit("bid", "buy", 99, 6, "ann"), limit("low", "buy", 98, 6, "eve")])
        send([amend("bid", lots=4, trader="ann"), cancel("second", "bob"), market("out", "sell", 1, "ann2")])
        assert ask("tape", "price", "quantity", "aggressor", "buyer", "seller") == [
            (99, 1, "sell", "ann", "ann2"),
            (102, 3, "buy", "ann", "bob"),
            (100, 5, "buy", "ann", "bob"),
        ]
        assert ask("candles", "open", "high", "low", "close", "volume", "turnover", "trades", width="day") == [
            (100, 102, 99, 99, 9, 905, 3)
        ]
        assert ask("vwap", "vwap", "vwap_since_first") == [("100.5555", "100.5555")]
        assert ask("depth", "side", "price", "lots", "lots_up_to") == [("buy", 99, 3, 3), ("buy", 98, 6, 9)]
        assert ask("positions", "trader_id", "quantity", "cost", "average_cost", trader="ann") == [
            ("ann", 9, 905, "100.5555")
        ]
        profit = ask("profit-and-loss", "trader_id", "realised", "unrealised", "total")
        assert profit == [("bob", 0, 14, 14), ("ann2", 0, 0, 0), ("ann", 0, -14, -14)]
        send([limit(f"more{n}", "sell", 110, 1, "bob") for n in range(RIVALS // 2)])
        with ThreadPoolExecutor(RIVALS) as rivals:
            list(rivals.map(lambda n: send([market(f"rival{n}", "buy", 1, f"rival{n}")]), range(RIVALS)))
        won = [row for row in ask("tape", "price", "buyer") if row[1].startswith("rival")]
        assert len(won) == len(set(won)) == RIVALS // 2
        send([limit("ask", "sell", 105, 2, "bob")])
        top = _rows(url, "top-of-book", limit=5)
        assert [(row["bid"], row["ask"], row["spread"], row["last_price"], row["trades"]) for row in top] == [
            (99, 105, 6, 110, 3 + RIVALS // 2)
        ]
        assert [(row["order_id"], row["open"]) for row in _rows(url, "open-orders", trader="ann")] == [("bid", 3)]
        audited = pipeline.run("audit", "trading", seconds=120)
        assert audited.returncode == 0, audited.stdout + audited.stderr
    finally:
        pipeline.stop()
    each_constraint_finds_a_lie(addresses.clickhouse, discover(namespace)["trading"], LIES)


def _rows(url: str, query: str, **parameters: Any) -> list[dict[str, Any]]:
    wanted = {**parameters, "consistency": "strong", "timeout": 30}
    answer = httpx.get(f"{url}/queries/{query}", params=wanted, timeout=60)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows
