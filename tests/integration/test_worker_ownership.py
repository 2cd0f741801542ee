"""Several workers of one domain: partitions move, and a worker that was away changes nothing."""

import threading
from pathlib import Path

import pytest

from schemas import Domain
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger
from tests.integration.worker_process import Worker, wait_until_folded
from tests.pipeline import until


def test_partitions_move_between_two_workers_under_load(kafka: str, domain: Domain, tmp_path: Path) -> None:
    source, publisher = Source(customers=2_000), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path, "first") as first, Worker(kafka, domain, tmp_path, "second") as second:
        load = threading.Thread(target=publisher.publish_all, args=(source, 90_000), kwargs={"rate": 8_000})
        load.start()
        first.start().logged("partitions 0, 1, 2, 3 loaded")
        second.start().logged("loaded in")
        first.logged("loaded in", times=2)
        assert first.stop() == 0
        second.logged("partitions 0, 1, 2, 3 loaded")
        load.join()
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
        assert second.process.poll() is None
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def _has_noticed(sleeper: Worker) -> bool:
    ended = sleeper.process.poll() is not None
    assert not ended or "was taken over by another worker" in sleeper.log, sleeper.log[-3000:]
    return ended or sleeper.log.count("loaded in") > 1 or "stands by" in sleeper.log


@pytest.mark.parametrize("point", ["fold.recovered", "fold.folded:4", "fold.produced:4"])
def test_a_worker_that_slept_past_its_session_changes_nothing_when_it_wakes(
    point: str, kafka: str, domain: Domain, tmp_path: Path
) -> None:
    source, publisher = Source(customers=2_000), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path, "sleeper") as sleeper, Worker(kafka, domain, tmp_path, "heir") as heir:
        publisher.publish_all(source, 60_000)
        sleeper.start(crash_point=f"freeze={point}").logged("frozen at")
        heir.start().logged("partitions 0, 1, 2, 3 loaded")
        publisher.publish_all(source, 20_000)
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
        assert_tables_equal_ledger(kafka, domain, source.ledger)

        sleeper.thaw()
        until(lambda: _has_noticed(sleeper), 60, what="the sleeper ends or takes partitions over anew")
        publisher.publish_all(source, 5_000)
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
        assert_tables_equal_ledger(kafka, domain, source.ledger)
        assert heir.process.poll() is None
