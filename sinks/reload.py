"""A new epoch: the events of a domain are loaded anew into tables beside the live ones, and take their place.

Offsets are never set back under tables that have rows (rule 19): an old token would swallow or double rows. So the
topic is loaded from its first record by a group of its own, into fresh tables with their own rollups, while the live
ones go on. Then the domain's loaders pause, the tables are exchanged, the offsets are handed over to the live group,
and the loaders go on where the fresh ones ended. Killed at any point, the next call goes on from there.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas import Domain, Fatal, Unavailable, reach
from sinks.bounds import Bounds, decode
from sinks.clickhouse import ClickHouse
from sinks.inserting import PATIENCE
from sinks.sink import run_targets
from sinks.sql import statement
from sinks.tables import databases_of
from sinks.targets import EventsTarget, targets_of

_POLL_SECONDS = 0.2
_TIMEOUT = 10.0
_LEAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Reloaded:
    """What has taken the place of the tables before: so many events, up to a position."""

    events: int
    position: int


class Reload:
    """Loads one domain's events anew. `show` gets the step and how many events the fresh tables have of how many."""

    def __init__(self, kafka: str, clickhouse: str, domain: Domain, show: Callable[[str, int, int], None]) -> None:
        self._kafka, self._url, self._domain, self._show = kafka, clickhouse, domain, show
        self._target = EventsTarget.anew(domain)
        self._live, self._fresh = domain.database, domain.reload_database
        self._admin = AdminClient({"bootstrap.servers": kafka})

    def run(self, stop: threading.Event, patience: float = PATIENCE.total_seconds()) -> Reloaded | None:
        """Do all of it; None when `stop` was set before the exchange, after which it is done to its end.

        For `patience` seconds after the last live loader has left, nothing is exchanged: so long an insert that was
        under way may still come. Raises Fatal when the fresh tables are not what the topic holds, Unavailable when a
        server is away or a loader does not leave.
        """
        self._connection = ClickHouse(self._url)
        try:
            return self._run(stop, patience)
        finally:
            self._connection.close()

    def _run(self, stop: threading.Event, patience: float) -> Reloaded | None:
        if self._has(self._live, "paused") and not self._tables(self._fresh):
            return self._finish()  # killed at the very end
        if not self._has(self._fresh, "proven"):
            self._make()
            with self._paused_if(stop, patience) as ready:
                if not ready:
                    return None
                self._prove()
                self._connection.execute(statement("prove", database=self._fresh))
        reach("reload.proven")
        self._show("exchange", 0, 0)
        self._exchange()
        reach("reload.exchanged")
        self._hand_over()
        self._drop(self._fresh)
        return self._finish()

    def _make(self) -> None:
        """The fresh tables, with the rollups of all projection versions; what a killed call has made is kept."""
        for version in self._domain.projections:
            beside = f"{version.projection_database}_reload"
            databases_of(self._connection, version).make(self._fresh, beside)
            self._drop(beside)
        for (table,) in self._connection.execute(statement("loadable_tables", database=self._fresh)):
            self._connection.execute(statement("mark_anew", table=f"{self._fresh}.{table}", comment="loaded anew"))

    @contextmanager
    def _paused_if(self, stop: threading.Event, patience: float) -> Iterator[bool]:
        """Load up to where the live tables are, let the live loaders pause, and load the rest; whether all was done.

        The pause ends again unless what follows succeeds.
        """
        if not self._load(stop, "load"):
            yield False
            return
        self._connection.execute(statement("pause", database=self._live))
        try:
            self._show("pause", 0, 0)
            self._await_empty()
            if stop.wait(patience) or not self._load(stop, "pause"):
                self._unpause()
                yield False
            else:
                yield True
        except BaseException:
            self._unpause()
            raise

    def _load(self, stop: threading.Event, step: str) -> bool:
        """Load until the fresh tables are as far as the live ones; False when `stop` was set before."""
        ended, failures = threading.Event(), list[Exception]()

        def load() -> None:
            try:
                run_targets([self._target], self._kafka, self._url, ended)
            except Fatal as error:
                failures.append(error)

        thread = threading.Thread(target=load, name="reload")
        thread.start()
        try:
            while not (stop.is_set() or failures):
                there, wanted = self._positions(self._fresh), self._positions(self._live)
                self._show(step, max(there.values(), default=0), max(wanted.values(), default=0))
                if all(there.get(number, -1) >= position for number, position in wanted.items()):
                    return True
                time.sleep(_POLL_SECONDS)
        finally:
            ended.set()
            thread.join()
        if failures:
            raise failures[0]
        return False

    def _positions(self, database: str) -> dict[int, int]:
        found = self._connection.execute(statement("loaded_positions", database=database, topic=self._target.topic))
        return dict(found)

    def _await_empty(self) -> None:
        """Wait until no loader of the domain is in its group, each having settled all that it had announced."""
        deadline = time.monotonic() + _LEAVE_SECONDS
        for target in targets_of(self._domain):
            while self._members(target.group):
                if time.monotonic() > deadline:
                    raise Unavailable(f"a member of {target.group} does not leave: is it a sink of an older version?")
                time.sleep(_POLL_SECONDS)
            if target.table != f"{self._live}.events" and (pending := self._pending(target.group, target.topic)):
                raise Fatal(
                    f"a batch of {target.topic}[{pending}] is announced and perhaps not loaded: a sink was killed. Let "
                    "`headrace sink` run, so that it loads it, and try again"
                )

    def _members(self, group: str) -> int:
        try:
            return len(self._admin.describe_consumer_groups([group])[group].result(_TIMEOUT).members)
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error.args[0].str()}") from error

    def _pending(self, group: str, topic: str) -> str:
        """The partitions of a topic that have a batch announced."""
        committed = self._committed(group, topic)
        return ", ".join(str(number) for number, bounds in committed.items() if bounds.to is not None)

    def _committed(self, group: str, topic: str) -> dict[int, Bounds]:
        """The bounds that a group has committed, by partition."""
        with self._member(group) as consumer:
            places = [TopicPartition(topic, number) for number in range(self._domain.partitions)]
            found = consumer.committed(places, timeout=_TIMEOUT)
        return {p.partition: decode(p.metadata, None, group) for p in found if p.offset >= 0}

    @contextmanager
    def _member(self, group: str) -> Iterator[Consumer]:
        consumer = Consumer({"bootstrap.servers": self._kafka, "group.id": group, "enable.auto.commit": False})
        try:
            yield consumer
        except KafkaException as error:
            raise Unavailable(f"Kafka: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _prove(self) -> None:
        """Each position once, without a gap, but for what is quarantined; and nothing pending."""
        query = statement("loaded_events", database=self._fresh, topic=self._target.topic)
        [(events, different, last, quarantined)] = self._connection.execute(query)
        pending = self._pending(self._target.group, self._target.topic)
        if events != different or not events <= last <= events + quarantined or pending:
            raise Fatal(
                f"{self._fresh} has {events} events, {different} different ones, up to position {last}, and "
                f"{quarantined} records in quarantine: that is not one event a position. Nothing was exchanged"
            )

    def _exchange(self) -> None:
        """Put each fresh table in the place of the live one. Views are made anew: theirs know the tables by name."""
        execute = self._connection.execute
        for (view,) in execute(statement("rollup_views", database=self._live)):
            execute(statement("drop_table", table=f"{self._live}.{view}"))
        there = self._tables(self._live)
        for (table,) in execute(statement("anew_tables", database=self._fresh)):
            live, fresh = f"{self._live}.{table}", f"{self._fresh}.{table}"
            if table == "quarantine":
                execute(statement("drop_others", table=fresh, topic=self._target.topic))
                execute(statement("copy_others", table=fresh, source=live, topic=self._target.topic))
            execute(statement("exchange" if table in there else "rename", live=live, fresh=fresh))
            reach("reload.table")
        for version in self._domain.projections:
            databases_of(self._connection, version).make(self._live, version.projection_database)
        for (table,) in execute(statement("anew_tables", database=self._live)):
            execute(statement("mark_anew", table=f"{self._live}.{table}", comment=""))
        execute(statement("copy_progress", live=self._live, fresh=self._fresh, topic=self._target.topic))

    def _hand_over(self) -> None:
        """Give the live group the offsets of the fresh one, with their epoch."""
        settled = self._committed(self._target.group, self._target.topic)
        places = [
            TopicPartition(self._target.topic, number, bounds.start, metadata=bounds.encode())
            for number, bounds in settled.items()
        ]
        with self._member(self._domain.sink_group(self._target.topic)) as consumer:
            for committed in consumer.commit(offsets=places, asynchronous=False) or ():
                if committed.error is not None:
                    raise Unavailable(f"Kafka: {committed.error.str()}")

    def _finish(self) -> Reloaded:
        self._unpause()
        self._admin.delete_consumer_groups([self._target.group])[self._target.group].exception(_TIMEOUT)
        query = statement("loaded_events", database=self._live, topic=self._target.topic)
        [(events, _, last, _)] = self._connection.execute(query)
        return Reloaded(events, last)

    def _unpause(self) -> None:
        self._connection.execute(statement("drop_table", table=f"{self._live}.paused"))

    def _drop(self, database: str) -> None:
        self._connection.execute(statement("drop_database", database=database))

    def _has(self, database: str, table: str) -> bool:
        return table in self._tables(database)

    def _tables(self, database: str) -> set[str]:
        return {row[0] for row in self._connection.execute(statement("table_names", database=database))}
