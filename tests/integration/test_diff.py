"""A changed fold in a planted repository: which rows and columns change is said, and nothing else."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import archiving
from infra.stack import Addresses
from producers import PostgresEventStore
from schemas import Domain
from sinks.archive.location import Location
from tests.integration.relayed import append, paid_orders
from tests.pipeline import Pipeline
from tests.tree import copied

ORDERS = 20
FOLDS = "streams/domains/orders.py"

PLANTED = """

def _planted(order: Order | None, event: OrderPaid, **changes: Any) -> Order:
    if event.order_id == "o1":
        raise ValueError("planted")
    return replace(order, **changes)


def _pay"""

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="compares versions in Git")


class Review:
    """A repository with one commit, a history in Postgres and the same in an archive."""

    def __init__(self, addresses: Addresses, domain: Domain, path: Path) -> None:
        store = PostgresEventStore(addresses.postgres, domain)
        append(store, domain, paid_orders(0, ORDERS))
        store.close()
        self.archive, self.tree = str(path / "archive"), copied(path / "repository")
        archiving.archive(addresses.postgres, domain, Location(self.archive))
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
            name = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
            subprocess.run(["git", *name, *command], cwd=self.tree, check=True, timeout=60)
        self.pipeline = Pipeline(addresses, domain.namespace, path, tree=self.tree)
        self._offline = replace(self.pipeline, addresses=Addresses())

    def change(self, old: str, new: str) -> None:
        """Change the folds, once, without a commit."""
        path = self.tree / FOLDS
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))

    def diff(self, *options: str, code: int, servers: bool = False) -> Any:
        """What the command says of the tree as it is against the commit."""
        pipeline = self.pipeline if servers else self._offline
        place = [] if servers else ["--archive", self.archive]
        done = pipeline.run("diff", "orders", *place, "--json", *options, seconds=120)
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture
def review(addresses: Addresses, domain: Domain, tmp_path: Path) -> Review:
    return Review(addresses, domain, tmp_path)


def counts(found: Any) -> dict[str, tuple[int, int, int, int]]:
    """Of each aggregate: rows, added, removed, changed."""
    kinds = ("rows", "added", "removed", "changed")
    return {each["aggregate"]: tuple(each[kind] for kind in kinds) for each in found["aggregates"]}


def test_a_changed_fold_shows_as_the_rows_and_columns_that_it_changes_and_the_keys_that_it_holds(
    review: Review,
) -> None:
    same = review.diff("--against", "HEAD", code=0, servers=True)
    assert counts(same) == {name: (n, 0, 0, 0) for name, n in counts_of_rows().items()}
    assert (same["position"], same["events"], same["changes"]) == (2 * ORDERS, 2 * ORDERS, [])

    review.change('replace(_existing(order, event, envelope), status="paid"', '_planted(order, event, status="settled"')
    review.change("\n\ndef _pay", PLANTED)
    found = review.diff("--against", "HEAD", "--limit", "4", code=1)
    assert counts(found) == {**counts(same), "orders": (ORDERS, 0, 0, ORDERS), "~held": (1, 1, 0, 0)}
    columns = {each["aggregate"]: each["columns"] for each in found["aggregates"]}
    assert columns["orders"] == {"status": ORDERS, "paid_at": 1, "(position)": 1}
    changes = {(each["aggregate"], each["key"]): each["columns"] for each in found["changes"]}
    assert list(changes) == [*(("orders", key) for key in ("o0", "o1", "o10", "o11")), ("~held", "c1")]
    assert changes["orders", "o0"] == {"status": ["paid", "settled"]}
    assert changes["orders", "o1"]["status"] == ["paid", "placed"]
    assert "planted" in changes["~held", "c1"]["held"][1]


def test_what_cannot_be_compared_is_said_and_is_no_verdict(review: Review) -> None:
    assert "'nowhere' is no version in" in review.diff("--against", "nowhere", code=2)
    done = review.pipeline.run("rebuild", "orders", "--diff", "--against", "nowhere")
    assert (done.returncode, "'nowhere' is no version in" in done.stderr) == (2, True), done.stderr
    review.change("FOLDS = (", "FOLDS = 1 / 0, (")
    assert "today's code cannot fold this history" in review.diff("--against", "HEAD", code=2)


def counts_of_rows() -> dict[str, int]:
    return {"orders": ORDERS, "customers": ORDERS, "products": 0, "~held": 0}
