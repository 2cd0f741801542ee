"""The Kafka intake: commands in, an answer each, poison put aside; killed and frozen at every step."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from producers import PostgresEventStore
from schemas import Command, Domain
from tests.integration.commanded import Client, headers_of, line
from tests.integration.intake_process import Intake
from tests.order_commands import deliver, pay, place, ship
from tests.pipeline import Pipeline, until
from tests.proxy import proxy_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def store(postgres: str, domain: Domain) -> Iterator[PostgresEventStore]:
    made = PostgresEventStore(postgres, domain)
    yield made
    made.close()


@pytest.fixture
def client(kafka: str, domain: Domain) -> Client:
    return Client(kafka, domain)


@pytest.fixture
def intake(postgres: str, kafka: str, domain: Domain, tmp_path: Path) -> Iterator[Intake]:
    with Intake(postgres, kafka, domain, tmp_path) as made:
        yield made


@pytest.fixture
def other(postgres: str, kafka: str, domain: Domain, tmp_path: Path) -> Iterator[Intake]:
    with Intake(postgres, kafka, domain, tmp_path, "other") as made:
        yield made


def whole_orders(first: int, last: int) -> list[tuple[str, Command]]:
    """Commands of orders from placed to delivered, with their ids; the one in the middle is always refused."""
    steps: dict[str, Callable[[str], Command]] = {
        "place": place,
        "pay": pay,
        "again": pay,
        "ship": ship,
        "deliver": deliver,
    }
    return [(f"{name}-{n}", step(f"o{n}")) for n in range(first, last) for name, step in steps.items()]


def assert_each_once(client: Client, store: PostgresEventStore, orders: int) -> None:
    """Every command of `whole_orders` has one answer and took effect once, in order."""
    replies = client.replied(orders * 5)
    assert sorted(reply["id"] for reply in replies) == sorted(id_ for id_, _ in whole_orders(0, orders))
    assert {reply["id"].split("-")[0] for reply in replies if reply["status"] != 200} == {"again"}
    assert len([reply for reply in replies if reply["status"] == 409]) == orders
    events = store.read(0, orders * 5)
    assert len(events) == orders * 4 == store.head().position
    for n in range(orders):
        kinds = [event.type for event in events if event.stream == f"o{n}"]
        assert kinds == ["OrderPlaced", "OrderPaid", "OrderShipped", "OrderDelivered"]


def test_commands_are_answered_in_their_order_with_what_the_bulk_route_would_say(
    client: Client, pipeline: Pipeline, store: PostgresEventStore
) -> None:
    client.send(line(place("a"), id="place-a"), headers=[("correlation-id", "c-1"), ("traceparent", TRACE)])
    client.send(line(pay("a")), headers=[("command-id", "pay-a")])
    client.send(line(pay("a")))
    client.send(line(ship("a"), id="early", expected_version=1))
    client.send(line(ship("a"), id="ship-a", expected_version=2))
    client.send(line(place("a"), id="place-a"))
    client.flush()
    pipeline.start("intake")
    placed, paid, refused, early, shipped, again = client.replied(6)
    assert placed == {
        "id": "place-a",
        "partition": 0,
        "offset": 0,
        "status": 200,
        "receipt": {
            "command_id": "place-a",
            "stream": "a",
            "version": 1,
            "token": "orders:1",
            "event_ids": ["place-a:1"],
            "first_position": 1,
            "last_position": 1,
        },
    }
    assert (paid["id"], paid["status"]) == ("pay-a", 200)
    assert (refused["status"], refused["problem"]["rule"]) == (409, "order-already-paid")
    assert refused["id"].startswith(f"{pipeline.namespace}.orders.commands:0:2:")
    assert (early["status"], early["problem"]["rule"]) == (412, "expected-version")
    assert shipped["status"] == 200
    assert again["receipt"]["repeated"] is True
    first = store.read(0, 1)[0]
    assert (first.type, first.correlation, first.traceparent) == ("OrderPlaced", "c-1", TRACE)
    pipeline.stop("intake")


def test_a_reply_is_keyed_with_the_commands_id(client: Client, intake: Intake, domain: Domain) -> None:
    client.send_all([("mine", place())])
    intake.start()
    client.replied(1)
    [message] = client.read(domain.replies_topic)
    assert (message.key(), message.headers()) == (b"mine", [("content-type", b"application/json")])


def test_poison_is_put_aside_with_its_bytes_and_answered_and_what_follows_goes_on(
    client: Client, intake: Intake, domain: Domain, store: PostgresEventStore
) -> None:
    poison = {
        b"{oops": ("malformed-json", ""),
        b'{"id":"mine","command":{"type":"FlyOrder"}}': ("unknown-command", "type"),
        b'{"id":"no good","command":{"type":"ShipOrder","order_id":"a"}}': ("invalid-line", "id"),
        b'{"command":"' + b"x" * 1_000_000 + b'"}': ("line-too-long", ""),
        b"": ("malformed-json", ""),
        line(place("a"), id="body-id"): ("invalid-header", "command-id"),
    }
    for value in poison:
        client.send(value, headers=[("command-id", "other-id")] if b"body-id" in value else [], key=b"k")
    client.send(line(place("good"), id="good"))
    client.flush()
    intake.start()
    replies = client.replied(7)
    assert [r["problem"]["rule"] for r in replies[:-1]] == [rule for rule, _ in poison.values()]
    assert [replies[n]["id"] for n in (1, 5, 6)] == ["mine", "body-id", "good"]
    letters = client.read(domain.command_dead_letters_topic)
    assert sorted(m.value() or b"" for m in letters) == sorted(poison)
    for letter in letters:
        headers = headers_of(letter)
        rule, field = poison[letter.value() or b""]
        assert (headers["rule"], headers["field"], headers["topic"]) == (rule, field, domain.commands_topic)
        assert (headers["partition"], headers["offset"]) == ("0", str(list(poison).index(letter.value() or b"")))
        assert letter.key() == b"k"
    assert [event.stream for event in store.read(0, 9)] == ["good"]


@pytest.mark.parametrize(
    "point", ["intake.read:2", "append.sent:2", "append.committed:2", "intake.handled:2", "intake.produced:2"]
)
def test_an_intake_killed_at_any_step_leaves_each_command_done_and_answered_once(
    point: str, client: Client, intake: Intake, store: PostgresEventStore
) -> None:
    intake.start(point)
    sent = 0

    def died_under_load() -> bool:
        nonlocal sent
        client.send_all(whole_orders(sent, sent + 20))
        sent += 20
        return intake.process.poll() is not None

    until(died_under_load, 60, what="the intake reaches its crash point")
    assert intake.process.returncode == -signal.SIGKILL, intake.log
    assert f"crash point {point.split(':')[0]} reached" in intake.log
    intake.start()
    assert_each_once(client, store, sent)
    assert intake.stop() == 0, intake.log


def test_an_intake_killed_after_it_answered_answers_nothing_twice(
    client: Client, intake: Intake, store: PostgresEventStore
) -> None:
    intake.start("intake.committed")
    client.send_all(whole_orders(0, 20))
    until(lambda: intake.process.poll() == -signal.SIGKILL, 60)
    intake.start()
    client.send_all(whole_orders(20, 25))
    assert_each_once(client, store, 25)


def test_while_the_database_is_away_commands_wait_and_then_go_on(
    client: Client, postgres: str, kafka: str, domain: Domain, store: PostgresEventStore, tmp_path: Path
) -> None:
    with proxy_of(postgres) as proxy, Intake(proxy.url(postgres), kafka, domain, tmp_path) as intake:
        intake.start()
        client.send_all(whole_orders(0, 50))
        client.replied(250)
        proxy.cut()
        client.send_all(whole_orders(50, 100))
        intake.logged("next attempt in", times=2)
        proxy.mend()
        client.send_all(whole_orders(100, 120))
        assert_each_once(client, store, 120)
        assert intake.stop() == 0, intake.log


def test_partitions_move_between_two_intakes_under_load(
    client: Client, intake: Intake, other: Intake, store: PostgresEventStore
) -> None:
    intake.start().logged("partitions assigned: 0, 1, 2, 3")
    client.send_all(whole_orders(0, 200))
    other.start()
    for start in range(200, 600, 50):
        client.send_all(whole_orders(start, start + 50))
    other.logged("partitions assigned: ")
    intake.logged("partitions assigned: ", times=2)
    client.send_all(whole_orders(600, 700))
    assert intake.stop() == 0, intake.log
    other.logged("partitions assigned: 0, 1, 2, 3")
    client.send_all(whole_orders(700, 720))
    assert_each_once(client, store, 720)
    assert other.stop() == 0, other.log


@pytest.mark.parametrize("point", ["intake.read", "append.sent", "intake.produced"])
def test_an_intake_that_slept_through_a_rebalance_changes_nothing_when_it_wakes(
    point: str, client: Client, intake: Intake, other: Intake, store: PostgresEventStore
) -> None:
    intake.start(f"freeze={point}").logged("partitions assigned: 0, 1, 2, 3")
    # Refused now; accepted if anybody tried it again once the order is placed.
    client.send(line(pay("late"), id="too-early"), partition=0)
    client.send(line(place("early"), id="early"), partition=0)
    client.flush()
    intake.logged("frozen at")
    other.start().logged("partitions assigned: 0, 1, 2, 3")
    assert [(r["id"], r["status"]) for r in client.replied(2)] == [("too-early", 404), ("early", 200)]
    client.send(line(place("late"), id="late"), partition=0)
    client.flush()
    client.replied(3)
    intake.thaw()
    intake.logged("next attempt in")
    intake.logged("partitions assigned: ", times=2)
    client.send(line(ship("late"), id="not-paid"), partition=0)
    client.flush()
    replies = client.replied(4)
    assert [(r["id"], r["status"]) for r in replies] == [
        ("too-early", 404),
        ("early", 200),
        ("late", 200),
        ("not-paid", 409),
    ]
    assert [(event.stream, event.type) for event in store.read(0, 9)] == [
        ("early", "OrderPlaced"),
        ("late", "OrderPlaced"),
    ]
