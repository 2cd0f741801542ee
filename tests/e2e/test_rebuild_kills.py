"""A rebuild that is killed wherever it may be, or given up; and one of some keys alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from infra.stack import Addresses
from tests.e2e.rebuilt import Shop, rebuilt_shop
from tests.e2e.shop import loaded
from tests.pipeline import until
from tests.tree import copied

KILLED_AT = (
    *("rebuild.planned", "rebuild.declared", "rebuild.writing", "rebuild.written"),
    "fold.produced",  # the offsets of partitions are in transactions that stay open
    *("rebuild.folded", "rebuild.following", "rebuild.caught-up", "rebuild.verified", "rebuild.switched"),
)


@pytest.fixture(scope="module")
def shop(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with rebuilt_shop(servers, "killed", tmp_path_factory.mktemp("rebuilt")) as made:
        yield made


def test_a_rebuild_that_is_killed_ten_times_still_verifies(shop: Shop) -> None:
    for point in KILLED_AT:
        done = shop.command(crash_point=point)
        assert f"crash point {point} reached" in done.stderr, done.stdout + done.stderr
        assert done.returncode != 0
        shop.sell(2)
    assert shop.live == shop.build(1), "the last one was killed after the switch"
    shop.visible()
    assert loaded(shop.at.clickhouse, shop.build(1)) == shop.totals
    until(lambda: shop.rows(shop.build(0)) == shop.rows(shop.build(1)), 30, what="both builds are equal")


def test_a_rebuild_of_some_streams_touches_their_keys_alone(shop: Shop) -> None:
    before = shop.rows(shop.build(1))
    customer = before["orders"]["o-3"]["data"]["customer_id"]
    [answer] = shop.rebuild("--streams", "o-3")
    assert answer == {"key": customer, "released": True, "error": ""}
    after = shop.rows(shop.build(1))
    for name, rows in after.items():
        for key, row in rows.items():
            mine = customer in (key, row.get("partitionkey"))
            assert row == {**before[name][key], **({"epoch": 1} if mine else {})}, f"{key} of {name}"


def test_a_rebuild_that_began_with_other_code_is_refused_and_when_cancelled_leaves_nothing(
    shop: Shop, tmp_path: Path
) -> None:
    assert shop.command(crash_point="rebuild.written").returncode != 0
    changed = copied(tmp_path / "tree")
    with (changed / "streams/domains/orders.py").open("a") as folds:
        folds.write("# folds otherwise\n")
    pipeline = replace(shop.pipeline, tree=changed, running={})
    refused = pipeline.run("rebuild", "orders")
    assert refused.returncode == 1
    assert "the code that folds orders was changed since this rebuild began" in refused.stderr
    [dropped] = shop.rebuild("--cancel")
    assert dropped["dropped"]["build"] == 2
    assert shop.live == shop.build(1)
    left = AdminClient({"bootstrap.servers": shop.at.kafka}).list_topics(timeout=10).topics
    assert not [name for name in left if name.endswith("v1b2") and name.startswith(shop.pipeline.namespace)]
