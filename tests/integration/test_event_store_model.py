"""The event store in Postgres against its model in memory, and under racing appends."""

import threading
import uuid
from collections import defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from producers import Guard, MemoryEventStore, PostgresEventStore
from producers.store import StoredEvent, Write
from producers.store.hashing import NO_HASH, event_hash
from schemas import Domain, discover
from tests.writes import Writer

STREAMS = st.sampled_from("abcd")
GUARDS = st.one_of(
    st.builds(Guard, st.just("claim"), st.sampled_from("xy")),
    st.builds(Guard, st.just("release"), st.sampled_from("xy")),
    st.builds(Guard, st.just("counter"), st.sampled_from("mn"), st.integers(-3, 3), st.integers(-2, 0)),
    st.builds(Guard, st.just("value"), st.sampled_from("mn"), st.integers(-2, 2)),
    st.builds(Guard, st.sampled_from(["free", "held"]), st.sampled_from("xy")),
)
PLAN = st.fixed_dictionaries(
    {
        "stream": STREAMS,
        "events": st.integers(0, 3),
        "others": st.dictionaries(STREAMS, st.integers(0, 2), max_size=2),
        "guards": st.lists(GUARDS, max_size=2, unique_by=lambda guard: guard.key).map(tuple),
        "command": st.one_of(st.just(""), st.sampled_from(["used-1", "used-2"])),
        "happened": st.integers(0, 10**15),
    }
)
PLANS = st.lists(PLAN, min_size=1, max_size=6)
Plan = dict[str, Any]


def fresh_domain() -> Domain:
    return discover(f"m{uuid.uuid4().hex[:8]}")["orders"]


def made(writer: Writer, plan: Plan) -> Write:
    others = {name: events for name, events in plan["others"].items() if name != plan["stream"]}
    return writer.write(**{**plan, "others": others})


def told(event: StoredEvent) -> tuple[Any, ...]:
    """What two stores must agree on: all but times, and what depends on them."""
    return (event.position, event.stream, event.version, event.id, event.partition_key, event.hash, event.data)


def test_the_store_does_what_its_model_does(postgres: str) -> None:
    class Model(RuleBasedStateMachine):
        @initialize()
        def begin(self) -> None:
            self.domain = fresh_domain()
            self.model, self.store = MemoryEventStore(self.domain), PostgresEventStore(postgres, self.domain)
            self.writers = [Writer(self.domain), Writer(self.domain)]

        @rule(plans=PLANS, who=st.integers(0, 1))
        def append(self, plans: list[Plan], who: int) -> None:
            """Two writers, of which each may have an old view of the streams."""
            writes = [made(self.writers[who], plan) for plan in plans]
            assert self.store.append(writes) == self.model.append(writes)

        @rule(who=st.integers(0, 1))
        def look(self, who: int) -> None:
            loaded = self.store.load(dict.fromkeys("abcd", 0), ["m", "n"], ["x", "y"])
            assert loaded == self.model.load(dict.fromkeys("abcd", 0), ["m", "n"], ["x", "y"])
            self.writers[who].tips = {name: (each.version, each.hash) for name, each in loaded.streams.items()}

        @rule()
        def find(self) -> None:
            assert self.store.find(["used-1", "used-2"]) == self.model.find(["used-1", "used-2"])

        @invariant()
        def the_same_events_are_stored(self) -> None:
            if hasattr(self, "store"):
                assert [*map(told, self.store.read(0, 1000))] == [*map(told, self.model.read(0, 1000))]

        def teardown(self) -> None:
            if hasattr(self, "store"):
                self.store.close()

    run_state_machine_as_test(
        Model, settings=settings(max_examples=25, stateful_step_count=12, deadline=None, print_blob=True)
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(racers=st.lists(st.lists(PLANS, min_size=1, max_size=4), min_size=2, max_size=4))
def test_racing_appends_leave_dense_positions_and_versions_and_lose_nothing(
    postgres: str, racers: list[list[list[Plan]]]
) -> None:
    domain = fresh_domain()
    accepted: dict[str, Write] = {}
    errors: list[Exception] = []
    start = threading.Barrier(len(racers))

    def race(number: int, batches: list[list[Plan]]) -> None:
        store, writer = PostgresEventStore(postgres, domain), Writer(domain)
        try:
            start.wait(30)
            for plans in batches:
                own = [{**plan, "command": plan["command"] and f"{plan['command']}-{number}"} for plan in plans]
                writes = [made(writer, plan) for plan in own]
                outcomes = store.append(writes)
                accepted.update({w.command: w for w, o in zip(writes, outcomes, strict=True) if o.kind == "accepted"})
                loaded = store.load(dict.fromkeys("abcd", 0)).streams
                writer.tips = {name: (each.version, each.hash) for name, each in loaded.items()}
        except Exception as error:
            errors.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=race, args=(number, batches)) for number, batches in enumerate(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    store = PostgresEventStore(postgres, domain)
    events, head = store.read(0, 10_000), store.head()
    store.close()
    assert [event.position for event in events] == list(range(1, len(events) + 1))
    assert head.position == len(events)
    versions = defaultdict(list)
    for event in events:
        versions[event.stream].append(event)
    for stream in versions.values():
        assert [event.version for event in stream] == list(range(1, len(stream) + 1))
        hashes = [NO_HASH, *[event.hash for event in stream]]
        for event, (before, after) in zip(stream, pairwise(hashes), strict=True):
            assert after == event_hash(
                before, domain.key, event.stream, event.version, event.id, event.partition_key, event.data
            )
    stored = defaultdict(list)
    for event in events:
        stored[event.command].append(event.hash)
    wanted = {
        command: [event.hash for part in write.parts for event in part.events] for command, write in accepted.items()
    }
    assert stored == {command: hashes for command, hashes in wanted.items() if hashes}
