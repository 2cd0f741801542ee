"""Folds a history with two versions of the code and compares what comes out."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from infra.diff import rows
from infra.diff.compare import Change, Compared, Rows, compare
from infra.diff.rows import Failed, Folded, Order
from infra.diff.trees import tree_of
from schemas import Fatal, encode

# Called with the records that both versions have read.
Show = Callable[[int], None]
_ANSWER = b"{"


class Difference(Struct, frozen=True, kw_only=True):
    """What changes for the rows of a domain at `position` from the code of `against` to today's.

    For each aggregate how many rows there are now, how many of them are added and changed, how many are gone, and in
    how many each column differs. `~held` stands for the keys that are held. `changes` are the first ones of each.
    """

    domain: str
    against: str
    position: int
    events: int
    aggregates: list[dict[str, Any]]
    changes: list[Change]

    @property
    def differs(self) -> bool:
        """Whether any row does."""
        return any(each["added"] + each["removed"] + each["changed"] for each in self.aggregates)


def difference(repository: Path, against: str, order: Order, limit: int, show: Show = lambda _: None) -> Difference:
    """Fold what `order` says (its `out` is not used) with the code of `repository` and with that of `against`.

    Raises Invalid for a reference that cannot be taken, Fatal with the sentence of the version that cannot fold.
    """
    with tree_of(repository, against) as tree, tempfile.TemporaryDirectory(prefix="headrace-diff-") as made:
        places = {against: (tree, Path(made) / "old"), "today's code": (repository, Path(made) / "new")}
        with ExitStack() as running:
            sides = {}
            for name, (code, out) in places.items():
                out.mkdir()
                ordered = msgspec.structs.replace(order, out=str(out))
                sides[name] = running.enter_context(_Side(name, code, ordered))
            old, new = _waited(list(sides.values()), show)
        found = _compared(Path(made), old, new, limit)
    return Difference(
        domain=order.domain,
        against=against,
        position=order.position,
        events=new.events,
        aggregates=[_counts(each) for each in found],
        changes=[change for each in found for change in each.first],
    )


def _compared(made: Path, old: Folded, new: Folded, limit: int) -> list[Compared]:
    names = dict.fromkeys([*old.aggregates, *new.aggregates, rows.HELD])

    def parts(side: str, folded: Folded, name: str) -> list[Rows]:
        if name != rows.HELD and name not in folded.aggregates:
            return []
        return [rows.read(made / side, name, number) for number in range(folded.partitions)]

    return [compare(name, parts("old", old, name), parts("new", new, name), limit) for name in names]


def _counts(found: Compared) -> dict[str, Any]:
    return {
        "aggregate": found.aggregate,
        "rows": found.rows,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "columns": dict(found.columns.most_common()),
    }


def _waited(sides: "list[_Side]", show: Show) -> tuple[Folded, Folded]:
    while any(side.runs for side in sides):
        show(sum(side.records for side in sides))
        for side in sides:
            side.wait(0.1)
    old, new = (side.answer() for side in sides)
    return old, new


class _Side:
    """A process that folds with the code of a tree; ended when this is left."""

    def __init__(self, name: str, tree: Path, order: Order) -> None:
        self._name, self._last, self.records = name, b"", 0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "infra.diff.rows"],
            cwd=tree,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as told:  # it may have ended already
            told.write(encode(order))
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def __enter__(self) -> "_Side":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reading.join()
        self._errors.close()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        self._reading.join(seconds)

    def answer(self) -> Folded:
        """What was folded. Raises Fatal when it was not."""
        self._reading.join()
        if self._last.startswith(_ANSWER):
            if b'"error"' in self._last[:10]:
                failed = msgspec.json.decode(self._last, type=Failed)
                raise Fatal(f"{self._name} cannot fold this history: {failed.error}")
            return msgspec.json.decode(self._last, type=Folded)
        self._errors.seek(0)
        why = self._errors.read().decode(errors="replace").strip().splitlines()
        raise Fatal(f"{self._name} cannot fold this history: {why[-1] if why else 'its process was ended'}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._last = line.strip()
            if self._last.isdigit():
                self.records = int(self._last)
