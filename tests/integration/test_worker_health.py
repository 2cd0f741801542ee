"""A worker says how it is, and one that is stuck ends itself and is started again."""

import re
import sys
from pathlib import Path

import httpx
import pytest

from infra import stack
from infra.stack import Addresses, Program
from schemas import Domain
from streams.health import Health, workers
from tests.architecture.source import ROOT
from tests.integration.order_source import Publisher, Source, assert_tables_equal_ledger
from tests.integration.worker_process import STUCK_SECONDS, Worker, wait_until_folded
from tests.pipeline import until

NEVER = "hang=fold.never"  # no fault, but the short patience


def _caught_up(home: Path, source: Source, after: float = 0) -> Health:
    """The worker's health once it has folded everything, as it says after `after`."""

    def seen() -> list[Health]:
        found = [each for each in workers(home / "data") if each.partitions and each.at > after]
        return [h for h in found if all(p.position == source.position and not p.lag for p in h.partitions)]

    [now] = until(seen, 30, what="lag 0 on every partition")
    return now


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("hang=fold.folded:3", "has stood at offset"),  # the event loop is blocked
        ("deaf=fold.committed:3", "has stood at offset"),  # the consumer is lost, all else goes on
    ],
)
def test_a_stuck_worker_ends_itself_and_the_next_one_finishes_its_work(
    fault: str, says: str, kafka: str, domain: Domain, tmp_path: Path
) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    publisher.publish_all(source, 20_000, batch=5_000)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start(crash_point=fault).logged(" at fold.")
        publisher.publish_all(source, 2_000)
        assert worker.ended(STUCK_SECONDS + 20) == 1
        assert says in worker.log
        assert "most recent call first" in worker.log, "the stack of each thread"
        worker.start(crash_point=fault)
        publisher.watermark(source.position)
        wait_until_folded(kafka, domain, source)
        assert worker.process.poll() is None
    assert_tables_equal_ledger(kafka, domain, source.ledger)


def test_a_worker_with_nothing_to_read_is_not_stuck_though_markers_end_its_topic(
    kafka: str, domain: Domain, tmp_path: Path
) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start(crash_point=NEVER)
        publisher.publish_all(source, 3_000)
        publisher.watermark(source.position)
        seen = _caught_up(tmp_path, source)
        publisher.publish([(f"customer-{n}", b"never to be seen") for n in range(100)], abort=True)
        now = _caught_up(tmp_path, source, seen.at + 2 * STUCK_SECONDS + 3)
        assert (now.state, now.lag, now.live, now.ready) == ("running", 0, True, True)
        assert worker.stop() == 0
    assert workers(tmp_path / "data") == []


def test_its_probes_and_its_file_tell_readiness_and_held_keys(kafka: str, domain: Domain, tmp_path: Path) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    publisher.publish_all(source, 1_000)
    publisher.publish([("customer-1", b"no event"), ("customer-2", b"no event")])
    publisher.watermark(source.position)
    with Worker(kafka, domain, tmp_path) as worker:
        worker.start(crash_point=NEVER).logged("health is served at")
        [address] = re.findall(r"http://127\.0\.0\.1:\d+", worker.log)
        until(lambda: httpx.get(f"{address}/health/ready").status_code == 200, 30, what="it is ready")
        assert httpx.get(f"{address}/health/live").status_code == 200
        assert httpx.get(f"{address}/else").status_code == 404
        assert _caught_up(tmp_path, source).held == 2
        assert httpx.get(f"{address}/health/ready").json()["partitions"][0]["topic"] == domain.events_topic


def test_the_supervisor_starts_a_worker_again_in_which_no_other_thread_could_run(
    kafka: str, servers: Addresses, domain: Domain, tmp_path: Path, home: Path
) -> None:
    source, publisher = Source(), Publisher(kafka, domain)
    publisher.publish_all(source, 20_000, batch=5_000)
    command = ["-m", "tests.integration.worker_process", kafka, domain.namespace, str(tmp_path), "seize=fold.folded:2"]
    program = Program(name="worker", command=[sys.executable, *command], directory=ROOT)
    stack.up(home, [program], given=servers)
    publisher.watermark(source.position)
    wait_until_folded(kafka, domain, source)
    [log] = stack.log_files(home, "worker").values()
    assert "Timeout" in log.read_text()
    assert_tables_equal_ledger(kafka, domain, source.ledger)
