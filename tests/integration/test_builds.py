"""The builds of a domain as Postgres has them, and as the pipeline's processes learn them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.builds import Editions, Either, there
from infra.config import Settings
from producers.store.builds import Builds
from schemas import Conflict, Domain, Edition, Unavailable, discover
from tests.pipeline import until

FIRST, SECOND, THIRD = Edition(1, 0), Edition(1, 1), Edition(1, 2)


@pytest.fixture
def orders() -> Domain:
    return discover("n")["orders"]


@pytest.fixture
def builds(postgres: str, orders: Domain) -> Iterator[Builds]:
    made = Builds(postgres, orders)
    yield made
    made.close()


def test_a_new_build_is_followed_once_it_is_folded_and_live_once_it_is_switched_to(builds: Builds) -> None:
    assert builds.all() == []
    assert builds.plan(FIRST, 1, 70, "customers") == SECOND
    [first, second] = builds.all()
    assert (first.edition, first.state, first.live) == (FIRST, "following", True)
    assert (second.edition, second.state, second.live, second.barrier, second.aggregate) == (
        *(SECOND, "folding", False, 70),
        "customers",
    )
    with pytest.raises(Conflict, match="was dropped"):
        builds.switch(FIRST, SECOND, "me")
    builds.move(SECOND, "following", "folding")
    builds.switch(FIRST, SECOND, "me")
    assert [(b.live, b.former, b.actor) for b in builds.all()] == [(False, True, ""), (True, False, "me")]
    with pytest.raises(Conflict, match="switched to another build meanwhile"):
        builds.switch(FIRST, SECOND, "me too")
    builds.switch(SECOND, FIRST, "back")
    assert [(b.live, b.former) for b in builds.all()] == [(True, False), (False, True)]


def test_what_is_queried_is_not_dropped_and_numbers_are_not_used_again(builds: Builds) -> None:
    builds.plan(FIRST, 1, 0, None)
    with pytest.raises(Conflict, match="it is queried"):
        builds.move(FIRST, "dropping", "following")
    builds.move(SECOND, "dropping", "folding")
    builds.move(SECOND, "dropped", "dropping")
    with pytest.raises(Conflict):
        builds.move(SECOND, "following", "folding")
    assert builds.plan(FIRST, 1, 0, None) == THIRD


def test_a_build_of_a_newer_projection_leaves_its_first_build_where_it_is(builds: Builds) -> None:
    assert builds.plan(FIRST, 2, 5, None) == Edition(2, 1)
    assert [(b.edition, b.state) for b in builds.all()] == [
        (FIRST, "following"),
        (Edition(2, 0), "following"),
        (Edition(2, 1), "folding"),
    ]


def test_processes_learn_of_a_switch_and_know_the_builds_without_postgres(
    builds: Builds, postgres: str, orders: Domain, tmp_path: Path
) -> None:
    settings, changed = Settings(home=tmp_path, namespace="n"), threading.Event()
    away = Editions(settings, "postgresql://nobody@127.0.0.1:1/none")
    with away, pytest.raises(Unavailable, match="which build of orders is live is not known"):
        away.of(orders)
    with Editions(settings, postgres, changed.set) as editions:
        assert editions.of(orders).live == orders.live
        changed.clear()
        builds.plan(FIRST, 1, 0, None)
        builds.move(SECOND, "following", "folding")
        builds.switch(FIRST, SECOND, "me")
        until(lambda: editions.of(orders).live.edition == SECOND, 5, what="the switch is known")
        assert changed.is_set()
        assert editions.of(orders).editions == (SECOND, FIRST)
    assert there(settings, postgres, [orders]) == [editions.of(orders)]
    with Editions(settings, "postgresql://nobody@127.0.0.1:1/none") as remembered:
        assert remembered.of(orders).live.edition == SECOND


def test_either_of_two_events_ends_a_wait() -> None:
    stop = threading.Event()
    ended = Either(stop)
    assert not ended.wait(0.01)
    threading.Timer(0.05, stop.set).start()
    assert ended.wait(5)
    assert ended.is_set()
