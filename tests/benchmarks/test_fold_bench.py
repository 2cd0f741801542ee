"""The benchmark of the fold: its input is as the relay writes it, its answers are checked, its cases have figures."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from infra import topics
from infra.bench import frame
from infra.bench.errors import BenchError
from infra.bench.fold import ladder
from infra.bench.fold.contestants import read_row
from infra.bench.fold.domain import FOLDS, domain
from infra.bench.fold.drain import Drain
from infra.bench.fold.input import Answer, Input, uniform, zipf
from infra.bench.fold.ladder import Record
from infra.bench.fold.peers import FAUST, KAFKA_STREAMS, peers
from infra.bench.kafka import reader
from infra.bench.place import place
from infra.bench.suites import fold
from infra.config import Settings
from infra.stack import Addresses
from producers.relay.partitioner import partition_of
from schemas import Domain
from streams.folding import Folder
from tests.benchmarks.conftest import Lines
from tests.conftest import fresh_namespace

COUNT = 12_000
Folded = tuple[dict[bytes, Answer], dict[int, int]]


@pytest.fixture(scope="module")
def events() -> Iterator[Domain]:
    with fresh_namespace() as namespace:
        yield domain(namespace)


@pytest.fixture(scope="module")
def source(kafka: str, events: Domain) -> Iterator[Input]:
    topics.declare(kafka, [events])
    with closing(Input(kafka, events, zipf(300))) as made:
        made.fill(COUNT // 2)
        made.fill(COUNT)
        yield made


@pytest.fixture(scope="module")
def all_folded(kafka: str, events: Domain, source: Input) -> Folded:
    records: list[list[Record]] = [[] for _ in range(events.partitions)]
    with closing(reader(kafka, source.topic, events.partitions)) as consumer:
        while sum(map(len, records)) < COUNT:
            message: Any
            for message in consumer.consume(1_000, 1.0):
                records[message.partition()].append(Record(message.key(), message.value(), message.offset()))
    answers: dict[bytes, Answer] = {}
    for number, each in enumerate(records):
        changes = Folder(events, FOLDS).run(each, [{}])
        assert not changes.dead_letters
        assert {partition_of(record.key, events.partitions) for record in each} == {number}
        answers |= {key: read_row(value) for key, value in changes.rows[0].items() if value is not None}
    return answers, {number: each[-1].offset + 1 for number, each in enumerate(records)}


@pytest.fixture
def folded(all_folded: Folded) -> Folded:
    """The answers of our fold to all records of the topic, and the offset after the last one of each partition."""
    answers, ends = all_folded
    return dict(answers), dict(ends)


@pytest.mark.parametrize("case", ["uniform", "ladder", "two"])
def test_each_case_has_its_figures(case: str, measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold, "EVENTS", 100_000)
    monkeypatch.setattr(fold, "peers", lambda *_: {})
    monkeypatch.setattr(frame, "ROUNDS", 1)
    monkeypatch.setattr(ladder, "KEPT", 20_000)
    _, line = measured("fold", case)
    assert (line["bench"], line["case"], line["unit"]) == ("fold", case, "events/s")
    assert 0 < line["spread"][0] <= line["rate"] <= line["spread"][1]
    # Two workers may have folded so small a topic within one tick of the clock that counts processor time.
    assert case == "two" or line["cpu_us_per_1000"]
    assert line["rss_mib"] > 0
    assert all(line["peers"].values())
    if case == "ladder":
        assert line["us_per_1000"].keys() == line["cpu_us_per_1000"].keys() == {"ours", *line["peers"]}


def test_a_worker_is_started_again_and_one_goes_on_while_its_memory_is_watched(
    measured: Callable[..., Lines], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("RECOVERED", 2_000), ("TURN", 5_000)):
        monkeypatch.setattr(fold, name, size)
    monkeypatch.setattr(frame, "ROUNDS", 1)
    _, recovery, memory = measured("fold", "recovery", "memory")
    assert (recovery["unit"], recovery["goals"]) == ("keys/s", {"p95_ms": 10_000})
    assert recovery["rate"] == pytest.approx(2_000 / recovery["p95_ms"] * 1000, rel=0.01)
    first, last = memory["rss_mib"].values()
    assert memory["flat"] == pytest.approx(first / last, rel=0.01)


def test_each_peer_that_can_run_here_folds_what_we_fold(settings: Settings, servers: Addresses, tmp_path: Path) -> None:
    said: list[str] = []
    with place(settings, servers, fold.SUITE.needs) as here:
        events = domain(here.settings.namespace)
        topics.declare(here.kafka, [events])
        with closing(Input(here.kafka, events, uniform(500))) as made:
            found = peers(here, made.topic, tmp_path, said.append)
            assert {FAUST, KAFKA_STREAMS} <= found.keys()
            assert "Quix Streams is not installed" in " ".join(said)
            for name, new in found.items():
                sample = Drain(here, made, new, COUNT).run(0.1)
                assert 0 < sample.count <= COUNT, name


def test_the_ledger_knows_what_our_fold_answers_and_how_many_events_stand_below_an_offset(
    source: Input, folded: Folded
) -> None:
    answers, ends = folded
    source.check(answers, ends, exact=True)
    assert source.ends() == ends
    assert source.below(ends) == source.below({number: end + 1 for number, end in ends.items()}) == COUNT
    assert source.below({0: ends[0] - 1}) == source.below({0: ends[0]}) - 1
    assert source.below({0: 0}) == 0


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"version": 1}, "was folded to version 1 of"),
        ({"cents": 1}, "which should be"),
        ({"status": "OrderLost"}, "which should be"),
    ],
)
def test_a_wrong_answer_ends_the_run(change: dict[str, Any], wrong: str, source: Input, folded: Folded) -> None:
    answers, ends = folded
    answers[b"order-0"] = replace(answers[b"order-0"], **change)
    with pytest.raises(BenchError, match=wrong):
        source.check(answers, ends, exact=False)


def test_a_missing_answer_ends_the_run_and_one_that_is_ahead_does_where_all_must_agree(
    source: Input, folded: Folded
) -> None:
    answers, ends = folded
    last = answers.pop(b"order-1")
    with pytest.raises(BenchError, match="order-1 was folded to version 0"):
        source.check(answers, ends, exact=False)
    answers[b"order-1"] = last
    behind = {**ends, 0: ends[0] // 2}
    source.check(answers, behind, exact=False)
    with pytest.raises(BenchError, match="was folded to version"):
        source.check(answers, behind, exact=True)


def test_zipf_chooses_the_first_keys_most_often_and_uniform_all_alike() -> None:
    chosen = [Counter(islice(keys(100)(random.Random(1)), 20_000)) for keys in (uniform, zipf)]
    assert max(chosen[0].values()) < 2 * min(chosen[0].values())
    assert 8 < chosen[1][0] / chosen[1][9] < 12
