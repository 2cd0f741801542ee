"""One term of the intake of a domain: from joining the consumer group until something fails."""

import asyncio
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.handling.handler import CommandHandler
from producers.handling.processing import Seal
from producers.intake.lane import Lane
from producers.intake.replies import Replies
from producers.intake.session import Session
from producers.store.postgres import PostgresEventStore
from schemas import Domain, Fatal, HeadraceError, Unavailable, stage_module

log = logging.getLogger(__name__)

_FETCH_COMMANDS = 1_000
_POLL_SECONDS = 0.1
_FINISH_SECONDS = 10.0
_ABANDON_SECONDS = 30.0
_SESSION_SECONDS = 10


@dataclass(frozen=True)
class Servers:
    """Where the servers are (URL of the database, bootstrap servers), and under which name this intake joins the group:
    no other process may use it, and it is the same after a restart. `seal` gives what seals a domain's personal fields.
    """

    postgres: str
    kafka: str
    instance: str
    seal: Callable[[Domain], Seal | None] = lambda _: None


class Term:
    """Make it in a thread, `run` it once in an event loop. Whatever fails, the next term finds out from Kafka what
    was answered, and from the command ids what was stored. Raises Unavailable when Postgres does not answer.
    """

    def __init__(self, domain: Domain, servers: Servers, stop: threading.Event) -> None:
        self._domain, self._servers, self._stop = domain, servers, stop
        self._session = Session(servers.postgres, domain)
        store = PostgresEventStore(self._session, domain)
        self._handler = CommandHandler(
            domain, stage_module("producers", domain).DECIDER, store, seal=servers.seal(domain)
        )
        # One thread fetches, the others each commit for a partition.
        self._threads = ThreadPoolExecutor(domain.partitions + 1, f"intake-{domain.name}")
        self._consumer = _consumer(domain, servers)
        self._loop: asyncio.AbstractEventLoop
        self._lanes: dict[int, Lane] = {}
        self._failure: HeadraceError | None = None
        self._ended = False

    async def run(self) -> None:
        """Take commands until the stop event is set. Raises Unavailable, SessionLost or Fatal."""
        self._loop = asyncio.get_running_loop()
        try:
            self._consumer.subscribe(
                [self._domain.commands_topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
            )
            while not self._stop.is_set() and self._failure is None:
                self._take(await self._in_thread(self._fetch))
                self._balance()
            if self._failure is not None:
                raise self._failure
        except BaseException as error:
            self._ended = True
            if isinstance(error, KafkaException):
                raise Unavailable(f"Kafka: {error.args[0].str()}", rule="kafka-unavailable") from error
            raise
        finally:
            await self._end()

    async def _end(self) -> None:
        if not self._ended:
            try:
                await self._in_thread(self._consumer.close)
            except (KafkaException, HeadraceError) as error:
                log.warning("%s: what was read last is not answered yet: %s", self._domain.commands_topic, error)
        self._ended = True
        stuck = not all([await lane.abandon(_ABANDON_SECONDS) for lane in self._lanes.values()])
        if stuck:
            # A thread that waits for Kafka would keep the process from ending.
            log.error("%s: ending at once: a call to Kafka does not return", self._domain.commands_topic)
            os._exit(1)
        await self._in_thread(self._session.close)
        await self._handler.close()
        for lane in self._lanes.values():
            await self._in_thread(lane.replies.close)
        await self._in_thread(self._consumer.close)
        self._threads.shutdown()

    def _fetch(self) -> list[Message]:
        """The next records, in the fetching thread; also serves the calls below about the assignment."""
        first = self._consumer.poll(_POLL_SECONDS)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(_FETCH_COMMANDS, 0)]
        return [message for message in messages if not self._failed(message)]

    def _failed(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return False
        topic = self._domain.commands_topic
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise Fatal(f"{topic} does not hold the commands any more that come next: {error.str()}")
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise Unavailable(f"topic {topic} does not exist: declare the topics with `headrace prepare`")
        if error.fatal():
            raise Unavailable(f"Kafka: {error.str()}", rule="kafka-unavailable")
        log.warning("%s: %s", topic, error.str())
        return True

    def _take(self, messages: Sequence[Message]) -> None:
        by_partition: dict[int, list[Message]] = defaultdict(list)
        for message in messages:
            by_partition[message.partition() or 0].append(message)
        for partition, group in by_partition.items():
            if partition in self._lanes:
                self._lanes[partition].take(group)

    def _balance(self) -> None:
        """Pause the partitions of which too much waits, all when the handler has enough; resume the others."""
        for lane in self._lanes.values():
            full = lane.full or self._handler.full
            if full != lane.paused:
                lane.paused = full
                where = [TopicPartition(self._domain.commands_topic, lane.partition)]
                (self._consumer.pause if full else self._consumer.resume)(where)
                log.info("%s: partition %d %s", where[0].topic, lane.partition, "paused" if full else "resumed")

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Take partitions over: end what the former owner has under way in Postgres and in Kafka, then read on."""
        membership = consumer.consumer_group_metadata()
        opened: dict[int, Replies] = {}
        for partition in [each.partition for each in partitions]:
            self._session.own(partition)
            opened[partition] = Replies(self._servers.kafka, self._domain, partition)
        if opened:
            with ThreadPoolExecutor(len(opened)) as threads:
                list(threads.map(Replies.fence, opened.values()))
            partitions = consumer.committed(partitions, timeout=15)
            for each in partitions:
                each.offset = max(each.offset, 0)  # negative: none was committed yet
        consumer.assign(partitions)
        self._in_loop(self._open(opened, membership))

    async def _open(self, opened: dict[int, Replies], membership: Any) -> None:
        for partition, replies in opened.items():
            self._lanes[partition] = Lane(partition, replies, membership, self._handler, self._threads, self._fail)
        numbers = ", ".join(map(str, opened)) or "none"
        log.info("%s: partitions assigned: %s", self._domain.commands_topic, numbers)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Give partitions back, with all that was read from them answered."""
        if not self._ended:
            self._in_loop(self._close([each.partition for each in partitions]))
        with suppress(KafkaException):
            consumer.unassign()

    async def _close(self, partitions: Sequence[int]) -> None:
        for partition in partitions:
            lane = self._lanes.get(partition)
            if lane is None:
                continue
            if not await lane.finish(_FINISH_SECONDS) or self._failure is not None:
                raise self._failure or Unavailable(f"partition {partition}: not everything was answered in time")
            await self._in_thread(self._session.disown, partition)
            await self._in_thread(lane.replies.close)
            del self._lanes[partition]

    def _lost(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        """The group has given the partitions to others already."""
        self._fail(Unavailable(f"{self._domain.commands_topic}: the group went on without this intake"))
        with suppress(KafkaException):
            consumer.unassign()

    def _fail(self, error: HeadraceError) -> None:
        self._failure = self._failure or error

    async def _in_thread(self, call: Any, *arguments: Any) -> Any:
        return await self._loop.run_in_executor(self._threads, call, *arguments)

    def _in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _consumer(domain: Domain, servers: Servers) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": servers.kafka,
            "group.id": domain.intake_group,
            "group.instance.id": servers.instance,
            "session.timeout.ms": _SESSION_SECONDS * 1000,
            "heartbeat.interval.ms": 1_000,
            "partition.assignment.strategy": "range",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "metadata.recovery.strategy": "none",
            "reconnect.backoff.max.ms": 1_000,
            "fetch.wait.max.ms": 50,
            "queued.max.messages.kbytes": 1 << 14,
            "fetch.max.bytes": 16_000_000,
        },
        logger=logging.getLogger("librdkafka"),
    )
