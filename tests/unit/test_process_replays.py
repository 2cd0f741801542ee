"""Process managers whose state was lost, or that are a later version: what was fired is not fired again."""

from dataclasses import replace

import pytest

from streams.process_past import Past
from streams.process_rows import PROGRESS_KEY
from tests.saga.fulfilment import PAY_WITHIN
from tests.saga.inmemory import Input, Partition, command_of, id_of
from tests.unit.test_process_manager import LATER, TOO_MUCH, all_watermarks, placed, received


@pytest.fixture
def partition() -> Partition:
    return Partition()


def replayed(of: Partition) -> Partition:
    """A process whose state was lost after all that `of` has taken: it knows only how far it was."""
    inputs = (of.shop, of.payments, of.deliveries, *of.replies.values())
    made = Partition(past=Past(frozenset(), {i.topic: i.records[-1].offset + 1 for i in inputs if i.records}))
    made.shop, made.payments, made.deliveries, made.replies = of.shop, of.payments, of.deliveries, of.replies
    return made


def lived(partition: Partition) -> None:
    """One order paid, one refused, one not paid in time."""
    partition.take(partition.shop, *(partition.shop.event(placed(o)) for o in ("paid", "refused", "late")))
    replies = partition.replies["payments"]
    for record, problem in zip(list(partition.sent), (None, TOO_MUCH, None), strict=True):
        order = command_of(record)["order_id"]
        partition.take(replies, replies.reply(id_of(record), order, problem))
    partition.take(partition.payments, partition.payments.event(received("paid")))
    all_watermarks(partition, LATER)


@pytest.mark.parametrize("order", ["shop first", "replies first", "payments first"])
def test_a_replay_fires_nothing_and_comes_to_the_same_state(partition: Partition, order: str) -> None:
    lived(partition)
    assert len(partition.sent) == 6
    again = replayed(partition)
    inputs: list[Input] = [again.shop, again.replies["payments"], again.payments, again.deliveries]
    if order == "replies first":
        inputs = [inputs[1], inputs[0], *inputs[2:]]
    if order == "payments first":
        inputs = [inputs[2], inputs[0], inputs[1], inputs[3]]
    for given in inputs:
        again.take(given)
    assert again.sent == []
    if order != "payments first":  # then the process goes another way, as it may
        rows = {key: row for key, row in again.rows.items() if key != PROGRESS_KEY}
        assert rows == {key: row for key, row in partition.rows.items() if key != PROGRESS_KEY}
    again.open()
    again.take(again.shop, again.shop.event(placed("new", at=LATER)))
    all_watermarks(again, LATER + PAY_WITHIN)
    assert [c for c in again.commands() if c[1] == "new"] == [("RequestPayment", "new"), ("CancelOrder", "new")]


def test_a_replay_that_is_interrupted_still_fires_nothing(partition: Partition) -> None:
    lived(partition)
    again = replayed(partition)
    again.take(again.shop, again.shop.records[0])
    again.past = Past(frozenset(), {})  # offsets are committed as the replay goes on
    again.open()
    for given in (again.shop, again.replies["payments"], again.payments, again.deliveries):
        again.take(given)
    assert again.sent == []


def test_a_later_version_fires_for_the_keys_alone_that_the_version_before_held(partition: Partition) -> None:
    partition.held[b"held"] = b""
    partition.take(partition.shop, *(partition.shop.event(placed(order)) for order in ("held", "done")))
    all_watermarks(partition, LATER)
    later = replayed(partition)
    later.past = replace(later.past, held=frozenset({b"held"}))
    for restarted in (False, True):
        if restarted:
            later.past = Past(frozenset(), {})
        later.open()
        for given in (later.shop, later.payments, later.deliveries):
            later.take(given)
    assert later.commands() == [("RequestPayment", "held"), ("CancelOrder", "held")]
