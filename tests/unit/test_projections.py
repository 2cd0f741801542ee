"""A domain in several projection versions at once: names, topics, modules."""

import dataclasses

import pytest

from infra.config import Settings
from infra.pipeline import in_projection, programs
from infra.topics import topics_of
from schemas import Aggregate, Domain, Earlier, Edition, Invalid, discover
from schemas.orders import Customer, Order

ONE = (Aggregate("orders", Order), Aggregate("customers", Customer))


def _three() -> Domain:
    return dataclasses.replace(
        discover("n")["orders"], projection=3, earlier=(Earlier(projection=1, aggregates=ONE[:1]),)
    )


def test_each_version_has_names_of_its_own_and_the_oldest_is_live() -> None:
    domain = _three()
    old, new = domain.projections
    assert (old.projection, old.aggregates, old.earlier) == (1, ONE[:1], ())
    assert new is domain
    assert domain.live == old
    assert (old.module, new.module) == ("orders_v1", "orders")
    assert (old.worker_app, new.worker_app) == ("headrace.n.orders.v1", "headrace.n.orders.v3")
    assert old.events_topic == new.events_topic
    assert (old.projection_database, new.projection_database) == ("n_orders_v1", "n_orders_v3")
    assert old.database == new.database


def test_topics_are_declared_for_all_versions() -> None:
    names = [topic.topic for topic in topics_of(_three())]
    assert len(set(names)) == len(names)
    versioned = {name for name in names if name.endswith((".v1", ".v3"))}
    assert {name for name in versioned if name.endswith(".v1")} == {
        "n.orders.orders.v1",
        "n.orders.held.v1",
        "n.orders.dead_letters.v1",
        "n.orders.stream_versions.v1",
    }
    assert {"n.orders.customers.v3", "n.orders.held.v3", "n.orders.dead_letters.v3"} <= versioned


def test_a_worker_of_each_version_is_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.pipeline.domains", lambda _: {"orders": _three()})
    workers = {program.name: program.command[-3:] for program in programs(Settings()) if "worker" in program.name}
    assert workers == {
        "worker-orders-v1": ["orders", "--projection", "1"],
        "worker-orders": ["orders", "--projection", "3"],
    }


def test_a_projection_that_is_not_declared_is_refused() -> None:
    assert in_projection(_three(), None).projection == 3
    assert in_projection(_three(), 1).module == "orders_v1"
    with pytest.raises(Invalid, match="orders has no projection 2; there are 1, 3"):
        in_projection(_three(), 2)
    for wrong in (3, 4):
        with pytest.raises(ValueError, match="must grow"):
            dataclasses.replace(_three(), earlier=(Earlier(projection=wrong, aggregates=ONE),))


def test_builds_have_names_of_their_own_and_the_first_edition_is_live() -> None:
    declared = _three()
    domain = dataclasses.replace(declared, editions=(Edition(3, 2), Edition(3, 0), Edition(2, 0)))
    live, kept, old = domain.projections
    assert domain.live == live
    assert [each.edition for each in (live, kept, old)] == [(3, 2), (3, 0), (1, 0)], "of 1 none is known: build 0"
    assert kept == declared.in_build(0)
    assert (live.module, old.module) == ("orders", "orders_v1")
    assert live.projections == (live,)
    assert live.worker_app == "headrace.n.orders.v3b2"
    assert live.projection_database == "n_orders_v3b2"
    assert live.aggregate_topic(live.aggregate("customers")) == "n.orders.customers.v3b2"
    assert (live.held_topic, live.dead_letters_topic) == ("n.orders.held.v3b2", "n.orders.dead_letters.v3b2")
    assert live.versions_topic == "n.orders.stream_versions.v3b2"
    assert (live.events_topic, live.database, live.key) == (kept.events_topic, kept.database, kept.key)


def test_a_projection_of_which_all_was_dropped_is_not_there() -> None:
    domain = dataclasses.replace(_three(), editions=(Edition(3, 1), Edition(1, -1)))
    assert [each.edition for each in domain.projections] == [(3, 1)]


def test_topics_are_declared_for_the_builds_that_exist() -> None:
    declared = discover("n")["orders"]
    names = {topic.topic for topic in topics_of(dataclasses.replace(declared, editions=(Edition(1, 3), Edition(1, 2))))}
    assert {"n.orders.orders.v1b3", "n.orders.orders.v1b2"} < names
    assert "n.orders.orders.v1" not in names, "build 0 was dropped"
