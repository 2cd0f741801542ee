"""The contract: names come from the domain, input is validated once, what is wrong is named."""

import dataclasses
import random
import signal
import subprocess
import sys

import pytest

from schemas import Domain, Fatal, HeadraceError, Invalid, Malformed, decode_command, discover, encode
from schemas._crashpoints import arm, reach
from schemas.orders import DOMAIN, PlaceOrder
from tests.architecture.source import ROOT

VALID = (
    b'{"type":"PlaceOrder","order_id":"o-1","customer_id":"c-1",'
    b'"lines":[{"sku":"CD","quantity":2,"price":{"amount":"3.50","currency":"USD"}}],'
    b'"total":{"amount":"3.50","currency":"USD"},"at":"2026-01-01T00:00:00Z"}'
)


def test_a_valid_command_comes_back_as_the_same_bytes() -> None:
    command = decode_command(DOMAIN, VALID)
    assert isinstance(command, PlaceOrder)
    assert encode(command) == VALID


@pytest.mark.parametrize(
    ("old", "new", "rule", "field"),
    [
        (b"PlaceOrder", b"Frobnicate", "unknown-command", "type"),
        (b'"type":"PlaceOrder",', b"", "unknown-command", "type"),
        (b'"customer_id":"c-1",', b"", "invalid-field", "customer_id"),
        (b'"at"', b'"att"', "invalid-field", "att"),
        (b'"quantity":2', b'"quantity":"2"', "invalid-field", "lines[0].quantity"),
        (b'"quantity":2', b'"quantity":0', "invalid-field", "lines[0].quantity"),
        (b'"3.50"', b'"-3.50"', "invalid-field", "lines[0].price.amount"),
        (b'"3.50"', b'"3.505"', "invalid-field", "lines[0].price.amount"),
        (b'"3.50"', b'"NaN"', "invalid-field", "lines[0].price.amount"),
        (b'"3.50"', b'"1e30"', "invalid-field", "lines[0].price.amount"),
        (b"USD", b"usd", "invalid-field", "lines[0].price.currency"),
        (b'"o-1"', b'"~o"', "invalid-field", "order_id"),
        (b'"o-1"', b'"o\\u0000"', "invalid-field", "order_id"),
        (b"2026-01-01T00:00:00Z", b"2026-01-01T00:00:00", "invalid-field", "at"),
    ],
)
def test_what_is_wrong_is_named(old: bytes, new: bytes, rule: str, field: str) -> None:
    assert old in VALID
    with pytest.raises(Invalid) as caught:
        decode_command(DOMAIN, VALID.replace(old, new))
    assert (caught.value.rule, caught.value.field, caught.value.status) == (rule, field, 422)


def test_bytes_that_are_no_json_are_malformed() -> None:
    for body in (b"", b"{", VALID[:-1], b"\xff\xfe", VALID.replace(b"o-1", b"\xff")):
        with pytest.raises(Malformed) as caught:
            decode_command(DOMAIN, body)
        assert caught.value.status == 400


def test_no_mangled_body_ever_raises_anything_else() -> None:
    chance = random.Random(7)
    statuses = set()
    for _ in range(5000):
        body = bytearray(VALID)
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        try:
            decode_command(DOMAIN, bytes(body))
        except HeadraceError as error:
            statuses.add(error.status)
    assert statuses == {400, 422}


def test_every_durable_name_carries_the_namespace() -> None:
    plain, placed = discover()["orders"], discover("team_a")["orders"]

    def names(domain: Domain) -> list[str]:
        topics = [domain.events_topic, domain.checkpoints_topic, domain.held_topic, domain.dead_letters_topic]
        topics += [domain.aggregate_topic(a) for a in domain.aggregates]
        groups = [domain.worker_app, domain.worker_transactional_id(0), *domain.relay_transactional_ids]
        return [
            *topics,
            *groups,
            *map(domain.sink_group, topics),
            domain.database,
            domain.projection_database,
            domain.key,
        ]

    assert plain.events_topic == "orders.events.1"
    assert plain.aggregate_topic(plain.aggregate("customers")) == "orders.customers.v1"
    assert set(names(plain)).isdisjoint(names(placed))
    assert len(set(names(plain))) == len(names(plain)) - 1, "only the Postgres key and the database share a name"
    assert all("team_a" in name for name in names(placed))


def test_a_name_that_no_server_would_take_is_refused() -> None:
    with pytest.raises(ValueError, match="use a-z"):
        dataclasses.replace(DOMAIN, name="Orders Of Today")


def test_an_unarmed_crash_point_lets_pass() -> None:
    reach("never.armed")
    arm("some.point:3")
    reach("another.point")
    reach("some.point")
    reach("some.point")  # the third time would end this process
    arm("no.point")


def test_an_armed_crash_point_kills_the_process_the_nth_time_and_says_so() -> None:
    twice = "reach('a.point'); print('once'); reach('a.point'); print('twice')"
    code = f"from schemas import arm, reach; arm('a.point:2'); {twice}"
    done = subprocess.run([sys.executable, "-uc", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "once\n")
    assert "crash point a.point reached" in done.stderr


def test_fatal_is_not_an_answer_for_clients() -> None:
    assert Fatal("x").status == 500
