"""A short consistency run; `python -m tests.consistency --minutes 10` is the long one."""

from pathlib import Path

from infra import stack, topics
from infra.stack import Addresses
from schemas import discover
from tests.consistency.run import run

# Each kind of fault once, the broker's in the middle; chance goes on where time is left.
PLAN = ("poison", "kill", "pause", "tombstone", "broker", "add or remove", "oversize", "kill", "unknown type")


def test_every_key_is_exact_after_kills_pauses_bad_records_and_a_broken_broker(
    servers: Addresses, home: Path, namespace: str
) -> None:
    others = Addresses(
        postgres=servers.postgres, clickhouse=servers.clickhouse, clickhouse_reader=servers.clickhouse_reader
    )
    domain = discover(namespace)["orders"]
    kafka = stack.up(home, given=others).kafka
    topics.declare(kafka, [domain])
    result = run(home, kafka, domain, seed=42, seconds=12, rate=1_000, plan=PLAN, breath=(0.5, 2.0), say=print)
    assert result.wrong[:20] == []
    assert set(PLAN) <= result.faults.keys()
    assert result.events > 5_000
    assert result.keys > 1_000
