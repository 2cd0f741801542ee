"""The sink when ClickHouse is killed in the middle of inserts, or takes nothing more."""

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.stack import Addresses
from schemas import Domain
from sinks import loader, rounds
from sinks.clickhouse import ClickHouse
from sinks.forming import Record
from sinks.loader import Loader
from sinks.partition import Partition
from sinks.rounds import Rounds
from sinks.tables import prepare
from sinks.targets import EventsTarget
from tests.contract.clickhouse_server import ClickHouse as ClickHouseServer
from tests.integration.loaded import Loaded, publish
from tests.integration.order_source import Publisher, Source
from tests.pipeline import Pipeline, until
from tests.proxy import proxy_of


@pytest.fixture
def own(addresses: Addresses, domain: Domain, tmp_path: Path) -> Iterator["Own"]:
    made = Own(addresses, domain, tmp_path)
    yield made
    made.pipeline.kill("sink")
    made.loaded.close()
    made.server.kill()


class Own:
    """A ClickHouse that the test may kill, and a sink that loads into it."""

    def __init__(self, addresses: Addresses, domain: Domain, home: Path) -> None:
        self._domain, self._home = domain, home / "clickhouse"
        self.server = ClickHouseServer(self._home)
        at = dataclasses.replace(addresses, clickhouse=self.server.url)
        self.pipeline = Pipeline(at, domain.namespace, home)
        self.loaded = Loaded(self.server.url, domain)

    def kill_and_restart(self) -> None:
        self.server.kill()
        self.loaded.close()
        self.server = ClickHouseServer(self._home, self.server.port)
        self.loaded = Loaded(self.server.url, self._domain)


def _count(loaded: Loaded) -> int:
    found = loaded.rows("SELECT count() FROM {events}.events")
    return int(found[0][0]) if found else 0


def test_clickhouse_is_killed_in_the_middle_of_inserts_and_every_event_is_loaded_once(
    own: Own, publisher: Publisher, source: Source
) -> None:
    own.pipeline.start("sink")
    for _ in range(3):
        before = source.position
        publishing = threading.Thread(target=publish, args=(publisher, source, 1_000), kwargs={"batch": 10})
        publishing.start()
        until(lambda: _count(own.loaded) > before, 60, what="inserts are under way")  # noqa: B023 - used at once
        own.kill_and_restart()
        publishing.join()
    own.loaded.wait(source.position)
    own.loaded.assert_exact(source)
    assert own.pipeline.died("sink") is None, own.pipeline.log("sink")


def test_while_clickhouse_takes_nothing_no_more_than_two_rounds_are_taken_from_kafka(
    kafka: str,
    clickhouse: str,
    domain: Domain,
    publisher: Publisher,
    source: Source,
    loaded: Loaded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []
    add = Partition.add
    monkeypatch.setattr(loader, "_GRAB", 500)
    for module in (loader, rounds):
        monkeypatch.setattr(module, "LARGE", 500)

    def counted(self: Partition, records: Sequence[Record]) -> None:
        taken.extend(record.offset for record in records)
        add(self, records)

    monkeypatch.setattr(Partition, "add", counted)
    prepare(clickhouse, [domain])
    stop = threading.Event()
    with proxy_of(clickhouse) as proxy:
        connection = ClickHouse(proxy.url(clickhouse))
        thread = threading.Thread(target=Loader(kafka, EventsTarget(domain), connection).run, args=(stop,))
        thread.start()
        try:
            publish(publisher, source, 100)
            loaded.wait(source.position)
            before = len(taken)
            begin = Rounds.begin

            def held(self: Rounds, *arguments: Any) -> None:
                proxy.hold()  # from the next insert on: not while the loader itself asks ClickHouse for something
                begin(self, *arguments)

            monkeypatch.setattr(Rounds, "begin", held)
            publish(publisher, source, 10_000)
            seen: list[int] = []

            def steady() -> bool:
                seen.append(len(taken))
                return len(seen) > 40 and seen[-1] == seen[-40] > before

            until(steady, 60, what="it takes no more")
            assert len(taken) - before <= 3 * 501, "one round is inserted, one formed, one on its way"
            monkeypatch.setattr(Rounds, "begin", begin)
            proxy.release()
            loaded.wait(source.position)
        finally:
            proxy.release()
            stop.set()
            thread.join()
            connection.close()
    loaded.assert_exact(source)
