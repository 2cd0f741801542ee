"""Verification of what the handler stores, beside appends, and stopped by Ctrl-C."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest

from infra.stack import Addresses
from producers import CommandHandler, PostgresEventStore, Request
from producers.domains.orders import DECIDER
from producers.proof.findings import Report
from producers.proof.reader import Reader
from producers.proof.verification import Verification
from schemas import Domain, discover
from tests.architecture.source import ROOT
from tests.integration.proven import History
from tests.order_commands import pay, place, ship
from tests.pipeline import environment, until
from tests.tampering import tampering
from tests.writes import Writer


@pytest.fixture
def orders() -> Domain:
    return discover("live")["orders"]


def test_what_the_handler_stores_is_good(postgres: str, orders: Domain) -> None:
    async def handle() -> None:
        handler = CommandHandler(orders, DECIDER, PostgresEventStore(postgres, orders))
        for number in range(3):
            requests = [
                Request(command, f"{number}-{n}", correlation="c", traceparent="00-1-2-01" if number else None)
                for n, command in enumerate(step(f"o{number}") for step in (place, pay, ship, ship))
            ]
            await handler.submit(requests)
        await handler.close()

    asyncio.run(handle())
    report = History(postgres, orders).verify()
    assert (report.findings, report.events, report.streams) == ((), 9, 3)


_APPEND = """
import sys
from schemas import discover
from tests.integration.proven import History
history = History(sys.argv[1], discover("live")["orders"])
for _ in sys.stdin:
    history.append(10)
"""


def test_a_history_is_good_at_every_moment_while_another_process_appends(postgres: str, orders: Domain) -> None:
    history, reports = History(postgres, orders), list[Report]()
    process = subprocess.Popen([sys.executable, "-c", _APPEND, postgres], cwd=ROOT, stdin=subprocess.PIPE)

    def verified() -> int:
        reports.append(history.verify(since=max((report.good for report in reports[-3:-1]), default=0)))
        return reports[-1].good

    try:
        assert process.stdin is not None
        for position in range(60, 601, 60):
            process.stdin.write(b"append\n")
            process.stdin.flush()
            until(lambda: verified() >= position, what=f"the history is good up to {position}")  # noqa: B023 - used at once
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
    reports.append(history.verify())
    assert [report for report in reports if report.findings] == []
    assert (reports[-1].good, reports[-1].streams) == (600, 202)


UNSEEN: dict[str, Callable[..., tuple[Any, ...]]] = {
    "proof_head": lambda *head: (*head[:3], None, None, None),
    "proof_streams": lambda streams, last, _bad, _events: (streams, last, "a", 0),
    "proof_stream": lambda version, position, _sound: (version, position, False),
    "proof_commands": lambda commands, last, _bad, _counted: (commands, last, "first-1", 0),
}


class Hasty(Reader):
    """Once it sees a row without its events, as by a statement that was planned before their partition was made."""

    def __init__(self, postgres: str, domain: Domain, statement: str) -> None:
        super().__init__(postgres, domain)
        self.statement, self.asked = statement, 0

    def _all(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        found = super()._all(name, **values)
        self.asked += name == self.statement
        return [UNSEEN[name](*row) for row in found] if name == self.statement and self.asked == 1 else found


@pytest.mark.parametrize("statement", UNSEEN)
def test_what_is_seen_while_the_partition_of_its_events_is_made_is_looked_at_again(
    statement: str, postgres: str, orders: Domain
) -> None:
    History(postgres, orders).append(2)
    reader = Hasty(postgres, orders, statement)
    with reader:
        reports = [Verification(orders, reader).run(), Verification(orders, reader).run_stream("a")]
    assert reader.asked >= 2
    assert [report.findings for report in reports] == [(), ()]
    assert (reports[0].good, reports[1].streams) == (12, 1)


def test_every_column_of_every_kind_of_row_is_proven(postgres: str, orders: Domain) -> None:
    history = History(postgres, orders)
    history.append(3)
    others = {
        "text": "another",
        "bytea": b"another",
        "bigint": 77,
        "smallint": 7,
        "timestamp with time zone": "1999-09-09",
    }
    with tampering(postgres, orders) as tamperer:
        columns = tamperer.run(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'events' "
            "AND column_name <> 'domain'"
        )
    assert len(columns) == 15
    unseen = []
    for position in (1, 9, 11, 18):
        for column, kind in columns:
            with tampering(postgres, orders) as tamperer:
                select = f"SELECT {column} FROM events WHERE domain = %(domain)s AND position = %(at)s"
                [(before,)] = tamperer.run(select, at=position)
                tamperer.put(position, column, others[kind])
            report = history.verify()
            if len(report.findings) != 1 or report.good >= position:
                unseen.append((position, column, report))
            with tampering(postgres, orders) as tamperer:
                tamperer.put(77 if column == "position" else position, column, before)
    assert unseen == []
    assert history.verify().findings == ()


def test_other_domains_do_not_matter(postgres: str, orders: Domain) -> None:
    history = History(postgres, orders)
    history.append(1)
    other = discover("elsewhere")["orders"]
    store = PostgresEventStore(history.postgres, other)
    store.append([Writer(other).write("a")])
    store.close()
    with tampering(history.postgres, other) as tamperer:
        tamperer.set(1, data=b"{}")
    assert history.verify().findings == ()


def test_a_second_head_row_is_found(postgres: str, orders: Domain) -> None:
    history = History(postgres, orders)
    history.append(1)
    with tampering(postgres, orders) as tamperer:
        tamperer.run("INSERT INTO heads (domain, position, digest) SELECT domain, 3, digest FROM heads")
    assert [finding.kind for finding in history.verify().findings] == ["altered-head"]


def test_an_interrupted_run_knows_up_to_where_all_was_good(postgres: str, orders: Domain) -> None:
    history = History(postgres, orders)
    history.append(20)

    def interrupt(_phase: str, done: int, _total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    with Reader(postgres, orders) as reader:
        verification = Verification(orders, reader, interrupt)
        with pytest.raises(KeyboardInterrupt):
            verification.run()
    assert verification.good == 120


def test_ctrl_c_ends_a_run_even_while_it_waits_for_postgres(
    servers: Addresses, postgres: str, orders: Domain, tmp_path: Path
) -> None:
    History(postgres, orders).append(2)
    holder, watcher = psycopg2.connect(postgres), psycopg2.connect(postgres)
    watcher.autocommit = True
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE commands")

    def waits() -> bool:
        with watcher.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'",
                (urlsplit(postgres).path[1:],),
            )
            return bool(cursor.fetchone() == (1,))

    addresses = Addresses(**{**vars(servers), "postgres": postgres})
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "verify", "orders"],
        env={**environment(addresses, "live", tmp_path, 0), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(waits, 30, what="the verification waits")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
        holder.close()
        watcher.close()
    assert process.returncode == 130, out + err
    assert "all was good from position 0 up to 12" in out
    assert "stopped" in err
