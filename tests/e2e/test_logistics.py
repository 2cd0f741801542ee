"""Logistics from command to SQL: scans come out of order and twice, and every parcel is where it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from infra.stack import Addresses
from schemas import Command, discover, encode
from tests.lies import each_constraint_finds_a_lie
from tests.parcels import HOUR, NOON, book, deliver, report, scan
from tests.pipeline import Pipeline

LATE = [scan(4, "FRA", "departed", 13), scan(3, "FRA", "arrived", 11), scan(2, "HAM", "departed", 3), scan(1)]
LIES = {
    "shipments-are-counted": "INSERT INTO {v}.shipments SELECT * REPLACE (scans + 1 AS scans, kafka_offset + 1 AS"
    " kafka_offset) FROM {v}.shipments FINAL WHERE shipment_id = 's1'",
    "nothing-after-delivery": "INSERT INTO {e}.events SELECT * REPLACE (event_time + toIntervalDay(9) AS event_time)"
    " FROM {e}.events WHERE type = 'ShipmentScanned' AND stream = 's1' LIMIT 1",
}


def test_a_parcel_is_where_it_was_seen_last_in_whatever_order_its_scans_come(
    addresses: Addresses, namespace: str, tmp_path: Path
) -> None:
    pipeline = Pipeline(addresses, namespace, tmp_path, domain="logistics", settings={"HEADRACE_DOMAINS": "logistics"})
    pipeline.prepare()
    pipeline.start("relay", "worker", "sink", "api")
    url = f"{pipeline.url}/api/logistics"

    def send(commands: Sequence[Command]) -> None:
        lines = b"".join(b'{"command":%b}\n' % encode(each) for each in commands)
        answer = httpx.post(f"{url}/bulk", content=lines, timeout=60)
        assert b'"problem"' not in answer.content, answer.text

    def ask(query: str, **parameters: Any) -> list[dict[str, Any]]:
        wanted = {**parameters, "consistency": "strong", "timeout": 30}
        answer = httpx.get(f"{url}/queries/{query}", params=wanted, timeout=60)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    try:
        send([book(), book("s2"), *LATE, LATE[1], report(), scan(1, id_="s2"), scan(2, "FRA", "arrived", 12, id_="s2")])
        places = [ask("where-was", at=(NOON + hours * HOUR).isoformat()) for hours in (0.5, 5, 11.5, 20)]
        assert [(row["site"], row["status"]) for (row, *_) in places] == [
            ("HAM", "booked"),
            ("HAM", "departed"),
            ("FRA", "arrived"),
            ("FRA", "departed"),
        ]
        assert [(row["shipment_id"], row["delay_seconds"]) for row in ask("late-now")] == [("s2", 7200), ("s1", 3600)]
        send([deliver(), deliver(19.5, "s2")])
        [lane] = ask("on-time-by-lane")
        assert (lane["origin"], lane["destination"], lane["delivered"], lane["on_time"]) == ("HAM", "MUC", 2, 1)
        assert (lane["rate"], lane["worst_seconds"]) == (0.5, 5400)
        assert [row["kind"] for row in ask("history", shipment_id="s1")][-1] == "delivered"
        assert ask("exceptions") == [{"site": "FRA", "code": "weather", "reports": 1}]
        assert [(row["status"], row["scans"], row["disordered"]) for row in ask("by-status")] == [("delivered", 6, 3)]
        assert httpx.get(f"{url}/s1/status?consistency=strong", timeout=30).json()["data"]["status"] == "delivered"
        audited = pipeline.run("audit", "logistics", seconds=120)
        assert audited.returncode == 0, audited.stdout + audited.stderr
    finally:
        pipeline.stop()
    each_constraint_finds_a_lie(addresses.clickhouse, discover(namespace)["logistics"], LIES)
