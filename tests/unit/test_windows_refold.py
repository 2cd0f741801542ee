"""Windows of a key that was held and is folded anew: those of a history in which it never was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from schemas import encode
from streams.kit import Given, Tables, given
from streams.kit.memory import event, whole
from streams.refolding import Refold
from tests.meters import FOLDS, meters
from tests.unit.test_windows import NOON, at, histories

MINUTE = timedelta(minutes=1)


@dataclass
class Past:
    """An event as the store has it."""

    id: str
    position: int
    stream: str
    version: int
    value: bytes


@dataclass
class Store:
    """The events of a history."""

    history: Given

    def events(self, key: str, after: int, upto: int) -> Iterator[Sequence[Past]]:
        for e in self.history.events:
            if e.partitionkey == key and after < e.position <= upto:
                yield [Past(e.id, e.position, e.subject, e.sequence, encode(e))]

    def skipped(self, _key: str) -> frozenset[str]:
        return frozenset()


def without_epochs(tables: Tables) -> dict[str, dict[bytes, Any]]:
    return {
        name: {key: {**msgspec.json.decode(row), "epoch": 0} for key, row in rows.items()}
        for name, rows in tables.items()
    }


@settings(max_examples=60, deadline=None)
@for_all(happened=histories.filter(bool), bad=st.integers(-150, 150))
def test_after_a_refold_it_is_as_if_no_event_had_failed(happened: list[Any], bad: int) -> None:
    def fails(value: Any, event: Any, envelope: Any) -> Any:
        if abs(event.at - NOON - bad * MINUTE) < 40 * MINUTE:
            raise RuntimeError
        return FOLDS[0].fold(value, event, envelope)

    domain = meters(allowed_lateness=10 * MINUTE)
    good = given(domain, *happened, folds=FOLDS)
    failing = given(domain, *happened, folds=(replace(FOLDS[0], fold=fails), *FOLDS[1:]))
    partition = whole(failing.folder, failing.events)
    for key in list(partition.held):
        refold = Refold(good.folder, key, "request", Store(good))
        refold.read(len(good.events), lambda: False)
        partition.take(refold.changes(partition.rows, partition.windows.mark))
    assert without_epochs(good.tables([partition])) == without_epochs(good.folded())
    # And windows that are still open close with the others.
    partition.folder = good.folder
    end = given(domain, *happened, at(1_000, "s-9"), folds=FOLDS)
    partition.fold([event(end.events[-1])])
    assert without_epochs(end.tables([partition])) == without_epochs(end.folded())
