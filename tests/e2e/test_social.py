"""The social network from command to SQL: many want the same thing at once, a worker dies, an author deletes."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import clickhouse_driver
import httpx
import msgspec
import pytest

from infra.stack import Addresses
from schemas import ERASED, Command, discover, encode
from sinks.constraints import constraints_of
from tests.network import MINUTE, NOON, comment, delete, edit, follow, like, publish, uncomment, unlike, user
from tests.pipeline import Pipeline, until

FANS = [f"fan{number}" for number in range(12)]


class Network:
    """The running pipeline and what is asked of it."""

    def __init__(self, pipeline: Pipeline, addresses: Addresses) -> None:
        self.pipeline = pipeline
        self.url = f"{pipeline.url}/api/social"
        self.domain = discover(pipeline.namespace)["social"]
        self.clickhouse = clickhouse_driver.Client.from_url(addresses.clickhouse)

    def bulk(self, *commands: Command, ids: str = "") -> list[dict[str, Any]]:
        """The results of commands in one bulk request, each command with an id of its own or one made of `ids`."""
        lines = b"".join(
            b'{"id":%b,"command":%b}\n' % (encode(f"{ids}{number}"), encode(each))
            if ids
            else b'{"command":%b}\n' % encode(each)
            for number, each in enumerate(commands)
        )
        answer = httpx.post(f"{self.url}/bulk", content=lines, timeout=60)
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    def do(self, *commands: Command) -> None:
        for result in self.bulk(*commands):
            assert result["status"] < 300, result

    def ask(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a named query that contain all that was acknowledged."""
        wanted = {**parameters, "consistency": "strong", "timeout": 30}
        answer = httpx.get(f"{self.url}/queries/{query}", params=wanted, timeout=60)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["data"]
        return rows

    def violations(self, name: str, upto: int = 10**9) -> list[tuple[Any, ...]]:
        """What one constraint finds."""
        [constraint] = [each for each in constraints_of(self.domain) if each.name == name]
        query = constraint.query({}).replace("{upto:UInt64}", str(upto))
        self.clickhouse.execute(f"USE {self.domain.projection_database}")
        return list(self.clickhouse.execute(query))


@pytest.fixture
def network(addresses: Addresses, namespace: str, tmp_path: Path) -> Iterator[Network]:
    pipeline = Pipeline(addresses, namespace, tmp_path, domain="social", settings={"HEADRACE_DOMAINS": "social"})
    pipeline.prepare()
    pipeline.start("relay", "worker", "sink", "api")
    made = Network(pipeline, addresses)
    try:
        yield made
    finally:
        made.clickhouse.disconnect()
        pipeline.stop()


def test_counters_are_exact_when_all_want_the_same_at_once_and_deletion_reaches_the_read_side(network: Network) -> None:
    network.do(user("ann"), *[user(fan) for fan in FANS], publish(), publish("p2", text="going soon", at=NOON + MINUTE))
    wishes = [*[like(fan) for fan in FANS], *[follow(fan, "ann") for fan in FANS]]
    with ThreadPoolExecutor(6) as clients:
        once = [clients.submit(network.bulk, *wishes, ids=f"client{client}-") for client in range(3)]
        again = [clients.submit(network.bulk, *wishes, ids=f"client{client}-") for client in range(3)]
        handles = clients.map(lambda n: network.bulk(user(f"late{n}", "the_one")), range(6))
        network.pipeline.kill("worker")
        statuses = Counter(answer["status"] for [answer] in handles)
        results = [result for each in (*once, *again) for result in each.result()]
    network.pipeline.start("worker")
    assert statuses[409] == 5, statuses
    assert {r["problem"]["rule"] for r in results if "problem" in r} == {"already-liked", "already-following"}
    assert sum("receipt" in r and not r["receipt"].get("repeated") for r in results) == len(wishes)

    network.do(unlike(FANS[0]), comment("c1", FANS[1]), comment("c2", FANS[2], parent="c1", at=NOON + 2 * MINUTE))
    network.do(comment("c3", FANS[3], at=NOON + 3 * MINUTE), uncomment("c1", FANS[1], at=NOON + 4 * MINUTE), edit())
    network.do(like(FANS[4], "p2"), delete("p2", at=NOON + 5 * MINUTE))

    [ann] = network.ask("most-followed", limit=1)
    assert (ann["user_id"], ann["name"], ann["followers"], ann["posts"], ann["likes"]) == ("ann", "Ann", 12, 1, 12)
    [post] = network.ask("home-timeline", user_id=FANS[0])
    assert (post["post_id"], post["text"], post["likes"], post["comments"]) == ("p1", "hello again", 11, 2)
    [trend] = network.ask("trending", at=(NOON + 360 * MINUTE).isoformat(), half_life=6)
    assert (trend["post_id"], trend["score"]) == ("p1", (11 + 2 * 2) / 2)
    thread = network.ask("thread", post_id="p1")
    assert [(row["comment_id"], row["depth"], row["text"]) for row in thread] == [
        ("c1", 0, ""),
        ("c2", 1, "text of c2"),
        ("c3", 0, "text of c3"),
    ]
    assert network.ask("thread", post_id="p2") == []
    gone = httpx.get(f"{network.url}/p2", timeout=30).json()["data"]
    assert (gone["status"], gone["text"], gone["tags"]) == ("deleted", "", [])
    assert [row["tag"] for row in network.ask("trending-tags")] == ["greetings"]
    assert network.ask("who-to-follow", user_id="late-nobody") == []
    assert sum(row["likes"] for row in network.ask("activity")) == 12

    _audit_is_clean(network, "--deep")
    erased = network.pipeline.run("erase", "social", FANS[2], seconds=120)
    assert erased.returncode == 0, erased.stdout + erased.stderr
    assert network.ask("thread", post_id="p1")[1]["text"] == ERASED
    _audit_is_clean(network)
    _each_constraint_finds_what_it_is_there_for(network)


# Lies that somebody with all rights may tell in the tables: {v} and {e} are the databases.
PLANTED = {
    "posts-are-counted": "INSERT INTO {v}.posts SELECT * REPLACE (likes + 1 AS likes, kafka_offset + 1 AS kafka_offset)"
    " FROM {v}.posts FINAL WHERE post_id = 'p1'",
    "users-are-counted": "INSERT INTO {v}.users SELECT * REPLACE (followers - 1 AS followers, kafka_offset + 1 AS"
    " kafka_offset) FROM {v}.users FINAL WHERE user_id = 'ann'",
    "likes-once": "INSERT INTO {e}.events SELECT * FROM {e}.events"
    " WHERE type = 'PostLiked' AND stream = 'like:p1:fan5'",
    "follows-have-two-sides": "INSERT INTO {e}.events SELECT * REPLACE (position + 1 AS position) FROM {e}.events"
    " WHERE type = 'FollowerGained' AND stream = 'followers:ann:fan5'",
    "handles-are-unique": "INSERT INTO {e}.events SELECT * REPLACE ('user:other' AS stream) FROM {e}.events"
    " WHERE type = 'UserRegistered' AND partition_key = 'ann'",
    "deleted-says-nothing": "INSERT INTO {v}.posts SELECT * REPLACE ('x' AS text, kafka_offset + 1 AS kafka_offset)"
    " FROM {v}.posts FINAL WHERE post_id = 'p2'",
}


def _audit_is_clean(network: Network, *options: str) -> None:
    audited = network.pipeline.run("audit", "social", *options, seconds=120)
    assert audited.returncode == 0, audited.stdout + audited.stderr


def _each_constraint_finds_what_it_is_there_for(network: Network) -> None:
    assert set(PLANTED) == {each.name for each in constraints_of(network.domain)}
    for name, lie in PLANTED.items():
        assert network.violations(name) == []
        network.clickhouse.execute(lie.format(v=network.domain.projection_database, e=network.domain.database))
        until(lambda name=name: network.violations(name), 10, what=f"{name} finds the lie")  # type: ignore[misc]
