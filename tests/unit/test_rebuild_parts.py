"""Parts of a rebuild that need no server: the lag, the governor, what is accepted."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.positions import Positions
from infra.rebuild.accepting import Accepted, read, write
from infra.rebuild.code import fingerprint
from infra.rebuild.governor import Governor, Lag
from infra.rebuild.rebuilding import HELD, refuse
from producers.store.builds import Build
from schemas import Conflict, Invalid, discover
from sinks.comparing import Difference
from tests.pipeline import until
from tests.tree import copied

SPENT = Difference("customers", "c-1", "spent", "1", "2")
ORDERS = Difference("customers", "c-1", "orders", "1", "2")
MISSING = Difference("orders", "o-1", "*", "a row", None)


def test_the_lag_is_the_age_of_the_oldest_event_that_is_not_loaded() -> None:
    lag = Lag()
    assert lag.of(10, 5, 5) == 0
    assert lag.of(11, 8, 5) == 0, "they have only just come"
    assert lag.of(12, 9, 5) == 1
    assert lag.of(13, 9, 8) == 1, "those of second 11 are loaded, that of 12 is not"
    assert lag.of(14, 9, 9) == 0


@dataclass
class Live:
    """A live pipeline as the governor sees it."""

    accepted: int = 10
    loaded: int = 10

    def positions(self) -> Positions:
        return Positions(self.accepted, self.accepted, self.loaded, self.loaded)


def test_folds_pause_while_the_live_tables_are_behind_and_go_on_afterwards() -> None:
    live, go = Live(), threading.Event()
    with Governor(live.positions, go, 0.1, look=0.01) as governor:
        assert go.is_set()
        live.accepted = 20
        until(lambda: not go.is_set(), 5, what="the folds pause")
        live.loaded = 20
        assert go.wait(5), "the folds go on"
    assert governor.paused > 0


def test_folds_do_not_wait_for_live_tables_that_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.rebuild.governor._HOPELESS_SECONDS", 0.3)
    live, go = Live(accepted=20), threading.Event()
    with Governor(live.positions, go, 0.05, look=0.01):
        until(lambda: not go.is_set(), 5, what="the folds pause")
        assert go.wait(5), "it is not the folds that hold them up"
        time.sleep(0.1)
        assert go.is_set()


@pytest.mark.parametrize("name", ["c-1", "customers/c-1", "customers.spent"])
def test_a_difference_is_accepted_by_its_name(name: str) -> None:
    assert Accepted([name]).takes(SPENT)
    assert not Accepted([name]).takes(MISSING)


def test_a_file_accepts_what_it_lists_whatever_the_values_are_by_now(tmp_path: Path) -> None:
    file = tmp_path / "differences.json"
    write(file, [SPENT, MISSING])
    assert read(file) == [SPENT, MISSING]
    accepted = Accepted([str(file)])
    assert accepted.takes(Difference("customers", "c-1", "spent", "5", "6"))
    assert accepted.takes(MISSING)
    assert not accepted.takes(ORDERS)
    assert not Accepted([]).takes(SPENT)
    file.write_text("{}")
    with pytest.raises(Invalid, match="no list of differences"):
        Accepted([str(file)])
    with pytest.raises(Invalid, match="cannot be read"):
        Accepted([str(tmp_path / "other.json")])


def test_a_rebuild_of_one_aggregate_refuses_differences_in_another_one() -> None:
    now = datetime.now(UTC)
    build = Build(1, 1, "following", False, False, 5, "customers", "", now, now)
    refuse(build, [SPENT, Difference(HELD, "c-1", "error", "bad", None)])
    with pytest.raises(Conflict, match="only customers was to be rebuilt, but orders would change too"):
        refuse(build, [SPENT, MISSING])


def test_the_fingerprint_of_the_code_changes_with_what_makes_the_rows_and_with_nothing_else(tmp_path: Path) -> None:
    orders, tree = discover()["orders"], copied(tmp_path / "tree")
    first = fingerprint(orders, tree)
    assert first == fingerprint(orders)
    for other in ("schemas/club.py", "streams/domains/club.py", "streams/kit/more.py", "sinks/more.py"):
        (tree / other).write_text("# nothing of the orders\n")
    assert fingerprint(orders, tree) == first
    seen = {first}
    for mine in ("schemas/orders.py", "streams/domains/orders.py", "streams/domains/orders_v2.py", "streams/rows.py"):
        with (tree / mine).open("a") as file:
            file.write("# otherwise\n")
        seen.add(fingerprint(orders, tree))
    assert len(seen) == 5
