"""When snapshots are taken, and what makes the code another one."""

import asyncio
import importlib
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec import Struct, structs

from producers import CommandHandler, Decider, MemoryEventStore, Request
from producers.domains.iot.sensor import State as Sensor
from producers.handling.cache import Known
from producers.handling.fingerprints import fingerprint, modules_of
from producers.handling.snapshots import Snapshots, encode_state
from producers.store import SNAPSHOT_EVERY as EVERY
from producers.store import Loaded, Recorded, Snapshot
from producers.store.chains import Span
from schemas import Unavailable, discover, stage_module
from tests.products import DECIDER, AddProduct, ChangeProduct, State, products

PRODUCTS = products()
RULES = """
from producers import Decider
from tests.products import State, decide, evolve as before

def evolve(state, event):
    return before(state, event)

DECIDER = Decider(decide, evolve, state=State)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of rules with the given text."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def load(text: str) -> ModuleType:
        name = f"rules_{uuid.uuid4().hex}"
        (tmp_path / f"{name}.py").write_text(text)
        return importlib.import_module(name)

    return load


def test_the_fingerprint_is_the_same_for_the_same_code(module: Callable[[str], ModuleType]) -> None:
    assert fingerprint(PRODUCTS, module(RULES).DECIDER) == fingerprint(PRODUCTS, module(RULES).DECIDER)
    assert len(fingerprint(PRODUCTS, DECIDER)) == 32


def test_the_fingerprint_tells_a_changed_evolve(module: Callable[[str], ModuleType]) -> None:
    changed = RULES.replace("before(state, event)", "before(before(state, event), event)")
    assert fingerprint(PRODUCTS, module(RULES).DECIDER) != fingerprint(PRODUCTS, module(changed).DECIDER)


def test_the_fingerprint_tells_a_changed_module_that_the_rules_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))

    def package(amount: int) -> bytes:
        folder = tmp_path / f"rules_{uuid.uuid4().hex}"
        folder.mkdir()
        (folder / "__init__.py").write_text("from .steps import STEPS" + RULES)
        (folder / "steps.py").write_text("from .amount import AMOUNT as STEPS")
        (folder / "amount.py").write_text(f"AMOUNT = {amount}")
        return fingerprint(PRODUCTS, importlib.import_module(folder.name).DECIDER)

    assert package(1) == package(1) != package(2)


def test_the_fingerprint_of_orders_covers_all_their_rules_and_nothing_of_other_people() -> None:
    orders = discover()["orders"]
    modules = {module.__name__ for module in modules_of(orders, stage_module("producers", orders).DECIDER)}
    rules = {f"producers.domains.orders{part}" for part in ("", ".order", ".catalogue")}
    assert modules >= {*rules, "schemas.orders", "schemas._types"}
    assert {name.partition(".")[0] for name in modules} == {"producers", "schemas"}


class Wider(State, frozen=True):
    colour: str = ""


@pytest.mark.parametrize("changes", [{"state": Wider}, {"revision": 2}, {"state": dict[str, int]}])
def test_the_fingerprint_tells_another_state_or_revision(changes: dict[str, Any]) -> None:
    assert fingerprint(PRODUCTS, replace(DECIDER, **changes)) != fingerprint(PRODUCTS, DECIDER)


def test_the_fingerprint_tells_other_events() -> None:
    assert fingerprint(discover()["orders"], DECIDER) != fingerprint(PRODUCTS, DECIDER)


def known(version: int, state: Any, kept: int = 0) -> Known:
    made = Known(confirmed=True)
    made.version, made.hash, made.state, made.kept = version, bytes([version % 256]) * 32, state, kept
    return made


def taken(decider: Decider, *offers: Known, store: MemoryEventStore | None = None) -> list[int]:
    """The versions of the snapshots that are kept after these were offered, each of a stream of its own."""
    store = store or MemoryEventStore(PRODUCTS)
    snapshots = Snapshots(PRODUCTS, decider, store)
    for number, offer in enumerate(offers):
        snapshots.offer(str(number), offer)
    snapshots.close()
    found = Snapshots(PRODUCTS, decider, store).find([str(number) for number in range(len(offers))])
    return [base.version for base in found.values()]


COUNTER = replace(DECIDER, state=int)


def test_it_is_taken_as_soon_as_the_last_one_is_so_many_events_old() -> None:
    assert taken(COUNTER, known(EVERY - 1, 1), known(EVERY, 2), known(EVERY + 5, 3, kept=6)) == [EVERY]


def test_a_domain_without_a_state_type_gets_none() -> None:
    assert taken(replace(DECIDER, state=None), known(EVERY, 1)) == []


class Odd(Struct, frozen=True):
    """Reads back as something else: the JSON of a NaN is null."""

    number: float | None


def test_a_state_that_its_json_form_does_not_preserve_gets_none(caplog: pytest.LogCaptureFixture) -> None:
    assert taken(replace(DECIDER, state=Odd), known(EVERY, Odd(float("nan")))) == []
    assert "do not survive" in caplog.text


def test_a_state_that_has_no_json_form_gets_none(caplog: pytest.LogCaptureFixture) -> None:
    assert taken(COUNTER, known(EVERY, object()), known(EVERY + 1, 5)) == [EVERY + 1]
    assert "no snapshot of stream 0" in caplog.text


def test_maps_with_instants_for_keys_have_one_json_form_that_gives_the_state_again() -> None:
    noon, one = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)
    state = Sensor("temperature", noon, one, {one: 2, noon: 1})
    data = encode_state(state)
    assert msgspec.json.decode(data, type=Sensor) == state
    assert encode_state(structs.replace(state, recent={noon: 1, one: 2})) == data
    assert list(msgspec.json.decode(data)) == list(Sensor.__struct_fields__)


def test_a_store_that_does_not_answer_costs_the_snapshot_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryEventStore):
        def keep(self, snapshot: Snapshot) -> None:
            if snapshot.stream == "0":
                raise Unavailable("PostgreSQL does not answer")
            super().keep(snapshot)

    assert taken(COUNTER, known(EVERY, 1), known(EVERY + 1, 2), store=Away(PRODUCTS)) == [EVERY + 1]
    assert "PostgreSQL does not answer" in caplog.text


@pytest.mark.parametrize(
    ("sizes", "pages"),
    [
        ([], []),
        ([1] * 1_000, [(0, 1_000)]),
        ([1] * 2_001, [(0, 1_000), (1_000, 2_000), (2_000, 2_001)]),
        ([3_000_000] * 5, [(0, 2), (2, 4), (4, 5)]),
        ([9_000_000, 1, 9_000_000], [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_pages_are_bounded_in_events_and_bytes(sizes: list[int], pages: list[tuple[int, int]]) -> None:
    span = Span("s", 0)
    span.positions.extend(range(len(sizes)))
    span.sizes.extend(sizes)
    assert list(span.pages()) == pages


class Long(MemoryEventStore):
    """Every stream is too long to be loaded at once, and the database goes away once while one is read."""

    away = True

    def load(self, after: Mapping[str, int], counters: Sequence[str] = (), claims: Sequence[str] = ()) -> Loaded:
        loaded = super().load(after, counters, claims)
        cut = {name: structs.replace(found, events=(), before=b"") for name, found in loaded.streams.items()}
        return structs.replace(loaded, streams=cut)

    def read_stream(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        for number, event in enumerate(super().read_stream(stream, after)):
            if number == 2 and self.away:
                self.away = False
                raise Unavailable("PostgreSQL does not answer")
            yield event


def test_a_database_that_goes_away_while_a_long_stream_is_read_leaves_no_half_state() -> None:
    store = Long(PRODUCTS)

    async def process(*prices: int) -> list[int]:
        handler = CommandHandler(PRODUCTS, DECIDER, store)
        made = [ChangeProduct(product_id="p", name="CD", price=price) for price in prices]
        receipts = [await handler.handle(Request(command, str(command.price))) for command in made]
        await handler.close()
        return [receipt.version for receipt in receipts]

    async def begin() -> None:
        handler = CommandHandler(PRODUCTS, DECIDER, store)
        await handler.handle(Request(AddProduct(product_id="p", name="CD", price=0), "add"))
        await handler.close()

    asyncio.run(begin())
    assert asyncio.run(process(1, 2, 3)) == [2, 3, 4]
    assert asyncio.run(process(4)) == [5]
    assert not store.away
    assert [event.version for event in store.read(0, 10)] == [1, 2, 3, 4, 5]
