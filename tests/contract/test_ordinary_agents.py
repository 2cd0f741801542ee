"""Ordinary Faust agents, with tables of their own, in the app whose other agent folds chunks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver

from schemas import Domain, Fatal, HeadraceError
from streams import pinned
from streams.app import FoldingApp
from streams.ordinary import OrdinaryProducer
from tests.contract.folding_app import folding_app, running
from tests.integration.order_source import Publisher, Source, read

CLICKS = 200


@pytest.fixture
def clicks(kafka: str, domain: Domain) -> str:
    """A topic that no chunk is read of, and the changelog of the table that is made of it."""
    topic = f"{domain.namespace}.clicks"
    names = [topic, f"{domain.worker_app}-clicks-changelog"]
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(name, domain.partitions, 1) for name in names]).values():
        future.result()
    return topic


class Clicks:
    """Clicks on ten pages, in transactions of which each third is aborted: the topic has holes."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic, "linger.ms": 5})
        self._producer.init_transactions(30)
        self._topic = topic
        self.counts: dict[str, int] = {}
        self._partitions: dict[str, int] = {}

    def owned(self, app: FoldingApp, counts: Any) -> dict[str, int]:
        """The counts of the pages that the app's partitions hold: it keeps what it knew of those that it gave away."""
        mine = {tp.partition for tp in app.consumer.assignment() if tp.topic == self._topic}
        return {page: count for page, count in dict(counts).items() if self._partitions.get(page) in mine}

    def _produced(self, error: Any, message: Any) -> None:
        if error is None:
            self._partitions[message.key().decode()] = message.partition()

    def add(self, count: int = CLICKS) -> None:
        for number in range(count):
            if number % 20 == 0:
                self._producer.begin_transaction()
            page = f"page-{number % 10}"
            self._producer.produce(self._topic, str(number).encode(), page.encode(), on_delivery=self._produced)
            if number % 60 >= 40:
                if number % 20 == 19:
                    self._producer.flush(30)
                    self._producer.abort_transaction(30)
                continue
            self.counts[page] = self.counts.get(page, 0) + 1
            if number % 20 == 19:
                self._producer.commit_transaction(30)


@asynccontextmanager
async def _running(
    kafka: str, domain: Domain, topic: str, data: Path, instance: str = "one"
) -> AsyncIterator[tuple[FoldingApp, Any]]:
    app = folding_app(kafka, domain, data, instance)
    counts = app.Table("clicks", default=int, partitions=domain.partitions)

    @app.agent(app.topic(topic, key_type=str, value_type=bytes))
    async def count(stream: Any) -> None:
        async for event in stream.events():
            counts[event.key] += 1

    async with running(app):
        yield app, counts


async def _until(done: Callable[[], bool], app: FoldingApp) -> None:
    async with asyncio.timeout(180):  # a busy machine may take three times as long
        while not done():
            assert app.failure is None, app.failure
            await asyncio.sleep(0.05)


def _total(counts: Any) -> int:
    return sum(counts.values())


def test_an_agent_with_a_table_of_its_own_works_beside_the_chunks(
    kafka: str, domain: Domain, clicks: str, tmp_path: Path
) -> None:
    source, publisher, made = Source(), Publisher(kafka, domain), Clicks(kafka, clicks)
    publisher.publish_all(source, 300)
    publisher.watermark(source.position)
    made.add()

    async def first() -> None:
        async with _running(kafka, domain, clicks, tmp_path) as (app, counts):
            await _until(lambda: app.gauges.events == 300 and dict(counts.items()) == made.counts, app)

    async def second() -> None:
        async with _running(kafka, domain, clicks, tmp_path) as (app, counts):
            await _until(lambda: len(app.gauges.offsets) == domain.partitions and dict(counts) == made.counts, app)
            assert app.gauges.events == 0

    asyncio.run(first())
    asyncio.run(second())


def test_counts_of_an_agent_are_exact_over_stops_in_the_middle_and_rebalances(
    kafka: str, domain: Domain, clicks: str, tmp_path: Path
) -> None:
    made = Clicks(kafka, clicks)

    async def in_the_middle(least: int) -> None:
        made.add()
        async with _running(kafka, domain, clicks, tmp_path) as (app, counts):
            await _until(lambda: _total(counts) > least, app)

    async def in_company() -> None:
        made.add()
        async with _running(kafka, domain, clicks, tmp_path) as (app, counts):
            await _until(lambda: _total(counts) > CLICKS, app)
            made.add()
            async with _running(kafka, domain, clicks, tmp_path, "two") as (other, others):
                await _until(lambda: bool(other.assignment.offsets()), other)
                made.add()

                def together() -> list[tuple[str, int]]:
                    return sorted([*made.owned(app, counts).items(), *made.owned(other, others).items()])

                await _until(lambda: together() == sorted(made.counts.items()), other)
                await asyncio.sleep(0.5)  # what is too much would come now
                assert together() == sorted(made.counts.items())

    for least in (0, CLICKS // 2):
        asyncio.run(in_the_middle(least))
    asyncio.run(in_company())


def test_no_offset_is_committed_before_the_broker_has_the_changelog(
    kafka: str, domain: Domain, clicks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, send, slow = Clicks(kafka, clicks), driver.Producer.send, [*[0.4] * 4, *[0.0] * 136]
    made.add()

    async def slowly(self: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(slow.pop())
        return await send(self, *args, **kwargs)

    async def run() -> None:
        async with _running(kafka, domain, clicks, tmp_path) as (app, counts):
            await _until(lambda: dict(counts.items()) == made.counts, app)
            await app.consumer.commit()
            logged = read(kafka, f"{domain.worker_app}-clicks-changelog")
            found = {str(m.key() or b"", "utf-8").strip('"'): int(m.value() or b"") for m in logged}
            assert found == made.counts

    monkeypatch.setattr(driver.Producer, "send", slowly)
    asyncio.run(run())


def test_a_record_that_is_not_delivered_ends_the_work_and_lets_no_offset_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class App:
        failure: HeadraceError | None = None

        def fail(self, error: HeadraceError) -> None:
            self.failure = error

    async def flushed(_: object) -> None:
        """All that is on its way has an answer."""

    async def run() -> None:
        producer = object.__new__(OrdinaryProducer)
        app = App()
        vars(producer).update(app=app, _owed=set(), _lost=None)
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        producer._owe(sent)
        flushing = asyncio.ensure_future(producer.flush())
        await asyncio.sleep(0.05)
        assert not flushing.done()
        sent.set_exception(KafkaTimeoutError())
        for attempt in (flushing, producer.flush()):
            with pytest.raises(ProducerSendError):
                await attempt
        assert "was not delivered" in str(app.failure)

    monkeypatch.setattr(driver.Producer, "flush", flushed)
    asyncio.run(run())


def test_another_version_of_faust_is_refused_with_what_to_do() -> None:
    pinned.check()
    with pytest.raises(Fatal, match=r"workers were tested with 0.0.1 alone.*install faust-streaming==0.0.1"):
        pinned.check({"faust-streaming": ("0.0.1",)})
