"""A process manager end to end: whatever is killed, each command that it fires takes effect once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import Addresses
from tests.pipeline import Pipeline, until
from tests.saga.planted import plant
from tests.saga.running import Shop


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with the shop in it."""
    return plant(tmp_path_factory.mktemp("planted") / "tree")


@pytest.fixture
def shop(tree: Path, addresses: Addresses, namespace: str, tmp_path: Path) -> Iterator[Shop]:
    """The shop with relay and intake running."""
    pipeline = Pipeline(addresses, namespace, tmp_path, tree=tree, process="fulfilment")
    pipeline.prepare()
    made = Shop(pipeline, addresses.kafka, addresses.postgres)
    pipeline.start("relay", "intake")
    yield made
    made.close()
    for name in list(pipeline.running):
        pipeline.kill(name)


def test_orders_of_every_fate_come_to_their_ends_once(shop: Shop) -> None:
    shop.pipeline.start("process")
    shop.batch(size=20)
    shop.assert_each_effect_once()
    shop.assert_each_command_was_fired_once()
    shop.pipeline.stop("process")


def test_killed_at_every_step_and_started_again_it_fires_each_command_once_in_effect(shop: Shop) -> None:
    points = ["fold.recovered", "fold.produced:2", "fold.committed:2"]
    shop.pipeline.settings["HEADRACE_TABLE_STORE"] = "rocksdb"  # the others have the memory's
    died = []

    def start_again() -> None:
        if shop.pipeline.died("process") is not None:
            died.append(shop.pipeline.died("process"))
            shop.pipeline.start("process")

    shop.nudge = start_again
    for point in points:
        shop.pipeline.start("process", crash_point=point)
        shop.batch(size=2)
        shop.pipeline.kill("process")
    assert died == [-9] * len(points)
    assert list(shop.pipeline.home.glob("worker/*fulfilment*.tables/*/*/*/CURRENT")), "its state is in RocksDB"
    shop.assert_each_effect_once()
    shop.assert_each_command_was_fired_once()


def test_two_of_them_share_the_work_while_the_intake_is_killed(shop: Shop) -> None:
    shop.pipeline.start("process")
    shop.batch()
    shop.pipeline.start("process.2")
    shop.pipeline.kill("intake")
    shop.pipeline.start("intake", crash_point="intake.produced:2")

    def start_again() -> None:
        if shop.pipeline.died("intake") is not None:
            shop.pipeline.start("intake")

    shop.nudge = start_again
    shop.batch()
    until(lambda: re.search(r"partitions \d, \d loaded", shop.pipeline.log("process.2")), 30, what="it has its share")
    shop.pipeline.kill("process")
    shop.batch()
    shop.assert_each_effect_once()


def test_without_its_state_and_a_year_later_it_fires_nothing_twice(shop: Shop) -> None:
    shop.pipeline.start("process")
    shop.batch(size=2)
    shop.forget_ids_of_clients()
    shop.repeat_all_commands_of_the_process()
    shop.pipeline.stop("process")

    shop.lose_state()
    shop.pipeline.start("process")
    until(lambda: "tables of partition" in shop.pipeline.log("process"), 30)
    shop.batch(size=2)
    shop.assert_each_effect_once()
    shop.pipeline.stop("process")

    shop.lose_state()
    shop.lose_offsets()
    shop.pipeline.start("process")
    assert until(lambda: shop.pipeline.died("process"), 30) == 1
    assert "Start it with --replay" in shop.pipeline.log("process")
    loaded = shop.pipeline.log("process").count("loaded in")
    shop.pipeline.start("process", options=["--replay"])
    until(lambda: shop.pipeline.log("process").count("loaded in") > loaded, 60, what="it knows what is past")
    shop.batch(size=2)
    shop.assert_each_effect_once()


def test_a_later_version_makes_its_state_anew_and_fires_nothing_that_the_one_before_has_fired(
    shop: Shop, tmp_path: Path
) -> None:
    shop.pipeline.start("process")
    shop.batch(size=2)
    shop.pipeline.stop("process")
    shop.pipeline.tree = plant(tmp_path / "later")
    module = shop.pipeline.tree / "streams" / "processes" / "fulfilment.py"
    module.write_text(module.read_text().replace('name="fulfilment",', 'name="fulfilment", version=2,'))
    shop.pipeline.prepare()
    shop.pipeline.start("process")
    shop.batch(size=2)
    assert "process.fulfilment.v2: partitions 0, 1, 2, 3 loaded" in shop.pipeline.log("process")
    shop.assert_each_effect_once()
    shop.assert_each_command_was_fired_once()
