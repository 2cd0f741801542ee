"""Long streams are read in pages, by commands and by whoever looks into the past."""

from collections.abc import Iterator
from typing import Any

import pytest

from producers import PostgresEventStore
from producers.history import Traveller
from tests.integration.long_streams import PRODUCTS, change, fill
from tests.products import DECIDER


@pytest.fixture
def store(postgres: str) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, PRODUCTS)
    yield made
    made.close()


def test_one_load_answers_no_more_events_than_fit(store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, amount in (("a", 30), ("b", 10), ("c", 50), ("d", 10), ("e", 10)):
        fill(store, amount, stream)
    monkeypatch.setattr("producers.postgres._LONGEST", 40)
    monkeypatch.setattr("producers.postgres._MOST", 50)
    found = store.load(dict.fromkeys("abcde", 0)).streams
    assert {stream: len(history.events) for stream, history in found.items()} == {
        "a": 30,
        "b": 10,
        "c": 0,
        "d": 10,
        "e": 0,
    }
    for stream, amount in (("a", 30), ("c", 50), ("e", 10)):
        [receipt] = change(store, 1, stream=stream)
        assert receipt.version == amount + 1


def test_paging_through_a_long_stream_does_not_walk_it_anew_for_each_page(
    store: PostgresEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 20_000)
    walked, walk = [], store.chains._walk

    def counted(*arguments: Any) -> Any:
        walked.append(len(found := walk(*arguments)))
        return found

    monkeypatch.setattr(store.chains, "_walk", counted)
    traveller, versions = Traveller(PRODUCTS, DECIDER, store), list[int]()
    after: int | None = 0
    while after is not None:
        page = traveller.history("p1", after, 500)
        versions += [entry.version for entry in page.data]
        after = page.next
    assert versions == list(range(1, 20_001))
    assert sum(walked) < 20_000 + 40 * 1_500


def test_what_was_remembered_of_a_history_does_not_hide_another_one(store: PostgresEventStore) -> None:
    fill(store, 3_000)
    fill(store, 3_000, "p2")
    traveller = Traveller(PRODUCTS, DECIDER, store)
    assert len(traveller.history("p1", 500, 100).data) == 100
    remembered = store.chains._marks._streams
    remembered["p1"] = {version: position + 3_000 for version, position in remembered["p1"].items()}
    assert [entry.version for entry in traveller.history("p1", 500, 100).data] == list(range(501, 601))
    remembered["p1"] = dict.fromkeys(remembered["p1"], 10**9)
    assert [entry.version for entry in traveller.history("p1", 500, 100).data] == list(range(501, 601))
