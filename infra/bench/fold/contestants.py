"""Those who fold the events of a topic, each in processes of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec import Struct

from infra import topics
from infra.bench.fold.domain import Standing, domain
from infra.bench.fold.input import Answer
from infra.bench.place import Place
from schemas import Row

_row = msgspec.json.Decoder(Row[Standing])


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One that folds the topic from its beginning, once.

    `group` is its consumer group, `changelog` the topic that all changes of its table are written to, `topics` are
    all that it has of its own. `processes` are the arguments of `infra.bench.program`, one a process; `read` gives
    the answer in a changelog's record, `order` the order's id in the record's key. An `exact` one promises that
    changelog and committed offsets agree.
    """

    group: str
    changelog: str
    topics: tuple[str, ...]
    processes: tuple[tuple[str, ...], ...]
    read: Callable[[bytes], Answer]
    exact: bool
    order: Callable[[bytes], bytes] = lambda key: key


Contestants = Callable[[int], Contestant]


def headrace(place: Place, folder: Path, workers: int = 1) -> Contestants:
    """The worker: each time a fresh projection of the domain, with topics of its own and the same events."""

    def new(number: int) -> Contestant:
        projection = domain(place.settings.namespace, number)
        topics.declare(place.kafka, [projection])
        changelog = projection.aggregate_topic(projection.aggregates[0])
        return Contestant(
            group=projection.worker_app,
            changelog=changelog,
            topics=(changelog, projection.versions_topic, projection.held_topic, projection.dead_letters_topic),
            processes=(("fold", str(number), str(folder)),) * workers,
            read=read_row,
            exact=True,
        )

    return new


def read_row(value: bytes) -> Answer:
    """The answer in a row of ours."""
    data = _row.decode(value).data
    return Answer(data.version, data.status, int(data.amount * 100))


class _Json(Struct):
    version: int
    status: str
    amount: Decimal


_json = msgspec.json.Decoder(_Json)


def read_json(value: bytes) -> Answer:
    """The answer in a row of a peer."""
    row = _json.decode(value)
    return Answer(row.version, row.status, int(row.amount * 100))
