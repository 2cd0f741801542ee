"""The engine of process managers in memory: steps, ids, deadlines, refusals, replays, held keys."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas import PROCESS_PREFIX, Fatal, discover
from streams import process_run
from streams.process import Step
from streams.process_past import Past
from streams.process_rows import PROGRESS_KEY
from streams.wiring import find, wire
from tests.saga import shop
from tests.saga.deliveries import Delivered, Shipped
from tests.saga.fulfilment import PAY_WITHIN, PROCESS, Fulfilment
from tests.saga.inmemory import Partition, command_of, id_of
from tests.saga.payments import PaymentReceived
from tests.saga.planted import domains
from tests.saga.shop import OrderPlaced

AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = AT + PAY_WITHIN
UNPAID = Fulfilment(order_id="o1", status="unpaid")
TOO_MUCH = {"type": "x", "title": "Refused", "detail": "1 is too much", "rule": "too-much"}


def placed(order: str = "o1", amount: int = 10, at: datetime = AT) -> OrderPlaced:
    return OrderPlaced(order_id=order, customer_id="c1", amount=amount, at=at)


def received(order: str = "o1", at: datetime = AT + timedelta(minutes=1)) -> PaymentReceived:
    return PaymentReceived(order_id=order, at=at)


@pytest.fixture
def partition() -> Partition:
    return Partition()


def all_watermarks(partition: Partition, at: datetime) -> None:
    for given in (partition.shop, partition.payments, partition.deliveries):
        partition.take(given, given.watermark(at))


def test_an_order_is_led_from_placed_to_completed(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    partition.take(partition.payments, partition.payments.event(received()))
    for event in (Shipped(order_id="o1", at=AT), Delivered(order_id="o1", at=AT)):
        partition.take(partition.deliveries, partition.deliveries.event(event))
    assert partition.commands() == [("RequestPayment", "o1"), ("Ship", "o1"), ("CompleteOrder", "o1")]
    for record, name in zip(partition.sent, ("payments", "deliveries", "shop"), strict=True):
        partition.take(partition.replies[name], partition.replies[name].reply(id_of(record), "o1"))
    assert set(partition.rows) == {PROGRESS_KEY}


def test_a_command_says_where_it_comes_from_and_goes_to_the_topic_of_its_domain(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    [record] = partition.sent
    assert (record.topic, record.key) == ("test.payments.commands", b"o1")
    assert command_of(record) == {
        "type": "RequestPayment",
        "order_id": "o1",
        "amount": 10,
        "at": "2026-01-01T00:00:00Z",
    }
    headers = dict(record.headers)
    assert id_of(record).startswith(f"{PROCESS_PREFIX}fulfilment:")
    assert (headers["correlation-id"], headers["causation-id"]) == ("visit-o1", "o1-1:1")
    assert headers["reply-key"] == b"o1"


def test_the_same_events_lead_to_the_same_ids_and_others_to_others() -> None:
    one, again = Partition(), Partition()
    for each in (one, again):
        each.take(each.shop, each.shop.event(placed("o1")), each.shop.event(placed("o2")))
    assert [id_of(r) for r in one.sent] == [id_of(r) for r in again.sent]
    assert len({id_of(r) for r in one.sent}) == 2


def test_a_record_that_is_delivered_twice_changes_nothing(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    changes = partition.take(partition.shop)
    assert (changes.sent, changes.repeated) == ([], 1)
    partition.open()
    assert partition.take(partition.shop).sent == []


def test_an_event_that_stands_twice_in_the_topic_is_handled_once(partition: Partition) -> None:
    first = partition.shop.event(placed())
    partition.take(partition.shop, first, partition.shop.add(first.key, first.value))
    assert partition.commands() == [("RequestPayment", "o1")]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_deadline_passes_once_all_inputs_have_passed_it(partition: Partition, restarted: bool) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    partition.sent.clear()
    for given in (partition.shop, partition.payments):
        partition.take(given, given.watermark(LATER))
    if restarted:
        partition.open()
    partition.take(partition.deliveries, partition.deliveries.watermark(LATER - timedelta(microseconds=1)))
    assert partition.commands() == []
    partition.take(partition.deliveries, partition.deliveries.watermark(LATER))
    assert partition.commands() == [("CancelOrder", "o1")]
    partition.open()
    all_watermarks(partition, LATER + timedelta(days=1))
    assert partition.commands() == [("CancelOrder", "o1")]


def test_an_input_that_never_had_an_event_holds_no_deadline_back_and_others_do() -> None:
    partition = Partition(past=Past(frozenset({"test.deliveries.events.1"}), {}))
    partition.take(partition.shop, partition.shop.event(placed()), partition.shop.watermark(LATER))
    assert partition.commands() == [("RequestPayment", "o1")]
    partition.take(partition.payments, partition.payments.watermark(LATER))
    assert partition.commands() == [("RequestPayment", "o1"), ("CancelOrder", "o1")]


def test_many_deadlines_pass_in_several_transactions_each_once(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_run, "_MOST_DEADLINES", 3)
    orders = [f"o{n}" for n in range(10)]
    partition.take(partition.shop, *(partition.shop.event(placed(order)) for order in orders))
    partition.sent.clear()
    partition.most_at_once = 0
    all_watermarks(partition, LATER)
    assert sorted(partition.commands()) == [("CancelOrder", order) for order in orders]
    assert partition.most_at_once == 3


def test_a_deadline_that_sets_itself_again_holds_its_key_and_not_the_process() -> None:
    partition = _steps(due=lambda state, name, instant: Step(state, deadlines={name: instant}))
    partition.take(partition.shop, partition.shop.event(placed()))
    changes = _last_of_watermarks(partition)
    assert "sets one that is not after" in changes.held[b"o1"].error


def test_a_deadline_that_was_taken_away_does_not_pass(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    partition.take(partition.payments, partition.payments.event(received()))
    all_watermarks(partition, LATER)
    assert partition.commands() == [("RequestPayment", "o1"), ("Ship", "o1")]


def test_money_that_comes_after_the_deadline_is_given_back(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    all_watermarks(partition, LATER)
    partition.take(partition.payments, partition.payments.event(received(at=LATER)))
    assert partition.commands()[1:] == [("CancelOrder", "o1"), ("RefundPayment", "o1")]


def test_a_refused_command_is_a_step_of_the_process(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    replies = partition.replies["payments"]
    partition.take(replies, replies.reply(id_of(partition.sent[0]), "o1", TOO_MUCH))
    assert partition.commands() == [("RequestPayment", "o1"), ("CancelOrder", "o1")]
    assert command_of(partition.sent[1])["reason"] == "too-much"
    assert partition.row("o1")["state"]["status"] == "cancelled"
    assert partition.take(replies).sent == []


def test_replies_to_others_are_of_no_concern(partition: Partition) -> None:
    partition.take(partition.shop, partition.shop.event(placed()))
    replies = partition.replies["payments"]
    before = dict(partition.rows)
    for id_ in ("somebody", f"{PROCESS_PREFIX}other:1:0", f"{PROCESS_PREFIX}fulfilment:unknown:0"):
        partition.take(replies, replies.reply(id_, "o1", TOO_MUCH))
    replies.add(b"o1", b"{oops " + PROCESS_PREFIX.encode() + b"fulfilment:")
    partition.take(replies)
    assert not partition.held
    assert {k: v for k, v in partition.rows.items() if k != PROGRESS_KEY} == {
        k: v for k, v in before.items() if k != PROGRESS_KEY
    }


def _steps(**changed: Any) -> Partition:
    return Partition(dataclasses.replace(PROCESS, **changed))


def _fails(*_: object) -> Step:
    raise LookupError("no way")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"handle": _fails}, "no way"),
        ({"handle": lambda *_: None}, "is no Step"),
        ({"handle": lambda s, e, _: Step(s, [e])}, "is a command of no domain"),
        ({"handle": lambda *_: Step(UNPAID, deadlines={"x": datetime(2026, 1, 1)})}, "has no time zone"),
        (
            {"handle": lambda s, e, _: Step(s, [shop.CancelOrder(order_id="o1", reason="x" * 1_000_000, at=e.at)])},
            "has 1,000,",
        ),
    ],
)
def test_a_step_that_fails_holds_its_key_alone_and_fires_nothing(changed: dict[str, Any], error: str) -> None:
    partition = _steps(**changed)
    changes = partition.take(partition.shop, partition.shop.event(placed()), partition.shop.event(placed()))
    assert error in changes.held[b"o1"].error
    assert (changes.sent, changes.passed_over, len(changes.dead_letters)) == ([], 1, 1)
    assert changes.mark is not None
    assert changes.mark.position == 2


def test_a_held_key_keeps_no_other_from_going_on(partition: Partition) -> None:
    partition.held[b"o1"] = b""
    partition.take(partition.shop, partition.shop.event(placed("o1")), partition.shop.event(placed("o2")))
    assert partition.commands() == [("RequestPayment", "o2")]


def test_a_deadline_that_fails_holds_its_key() -> None:
    partition = _steps(due=_fails)
    partition.take(partition.shop, partition.shop.event(placed("o1")))
    all_watermarks(partition, LATER)
    assert set(partition.held) == {b"o1"}
    partition.open()
    all_watermarks(partition, LATER + timedelta(days=1))
    assert partition.commands() == [("RequestPayment", "o1")]


@pytest.mark.parametrize(("missing", "error"), [("due", "there is no step for that"), ("refused", "is too much")])
def test_what_there_is_no_step_for_does_not_vanish(missing: str, error: str) -> None:
    partition = _steps(**{missing: None})
    partition.take(partition.shop, partition.shop.event(placed()))
    replies = partition.replies["payments"]
    changes = (
        partition.take(replies, replies.reply(id_of(partition.sent[0]), "o1", TOO_MUCH))
        if missing == "refused"
        else _last_of_watermarks(partition)
    )
    assert error in changes.held[b"o1"].error


def _last_of_watermarks(partition: Partition) -> Any:
    for given in (partition.shop, partition.payments):
        partition.take(given, given.watermark(LATER))
    return partition.take(partition.deliveries, partition.deliveries.watermark(LATER))


def test_poison_is_put_aside_and_the_rest_goes_on(partition: Partition) -> None:
    given = partition.shop
    poison = [given.add(None, b"{}"), given.add(b"k", b"{oops"), given.add(b"n", None), given.add(b"~new", b"{}")]
    strange = given.event(placed("o7"), key="o8")
    changes = partition.take(given, *poison, strange, given.event(placed("o9")))
    assert set(changes.held) == {b"k", b"n", b"o8"}
    assert len(changes.dead_letters) == 4
    assert partition.commands() == [("RequestPayment", "o9")]
    assert partition.take(given, *poison).dead_letters == []


def test_process_managers_of_the_tree_are_found_and_a_strange_one_is_refused() -> None:
    assert list(find(discover("test"))) == ["fulfilment"]
    known = domains("test")
    known["shop"] = dataclasses.replace(known["shop"], partitions=8)
    with pytest.raises(Fatal, match="deliveries has 4, payments has 4, shop has 8"):
        wire(PROCESS, known)
    known["shop"] = dataclasses.replace(known["shop"], partitions=4, routes=())
    with pytest.raises(Fatal, match="reads a route by_order, which shop does not have"):
        wire(PROCESS, known)
    strange = dataclasses.replace(PROCESS.inputs[1], events=(OrderPlaced,))
    with pytest.raises(Fatal, match="reads OrderPlaced, no event of payments"):
        wire(dataclasses.replace(PROCESS, inputs=(strange,)), domains("test"))
    with pytest.raises(Fatal, match="two inputs"):
        wire(dataclasses.replace(PROCESS, inputs=PROCESS.inputs[1:2] * 2), domains("test"))
    with pytest.raises(ValueError, match="is no name for a process"):
        wire(dataclasses.replace(PROCESS, name="No"), domains("test"))
