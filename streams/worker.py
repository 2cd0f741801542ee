"""Runs a worker, of one domain or of another group of topics, as the process in the foreground."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas import Domain, Fatal, HeadraceError, Unavailable, stage_module
from streams import pinned
from streams.app import FoldingApp, register
from streams.engine import DomainFolds, Engine
from streams.fold import Fold
from streams.folding import Folder
from streams.gauges import Gauges
from streams.group import Group
from streams.identity import instance
from streams.quiet import quieten
from streams.refolding import History
from streams.stores import StoreKind, stores_of
from streams.watchdog import Watch, watched

_log = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_STOP_SECONDS = 15.0
_END_SECONDS = 3.0  # after a failure nothing is worth waiting for
_WATCH = Watch()


def run_worker(
    domain: Domain,
    kafka: str,
    data: Path,
    stop: threading.Event | None = None,
    watch: Watch = _WATCH,
    history: History | None = None,
    store: StoreKind = "memory",
) -> None:
    """Fold the domain's events until SIGTERM, SIGINT or `stop`; then the chunks under way are finished.

    `kafka` are bootstrap servers, `data` is a directory for the worker's identity, health and stored tables, `history`
    is the event store, without which held keys cannot be folded anew, `store` says where the tables' rows are kept.
    Waits for a Kafka that is not up yet. Short outages are waited out; a longer one, or another worker that took over a
    partition while this one was away, raises Unavailable or Fatal: the process must end with an error and be started
    again, which takes up the work at the last committed chunk. Must be called from the main thread.
    """
    work(domain, stage_module("streams", domain).FOLDS, kafka, data, _stopped_by_signals(stop), watch, history, store)


def run_group(
    group: Group,
    engine: Engine,
    kafka: str,
    data: Path,
    stop: threading.Event | None = None,
    watch: Watch = _WATCH,
    store: StoreKind = "memory",
) -> None:
    """Let `engine` work on the group's topics as `run_worker` does."""
    work_group(group, engine, kafka, data, _stopped_by_signals(stop), watch, store)


def work(
    domain: Domain,
    folds: Sequence[Fold],
    kafka: str,
    data: Path,
    stop: threading.Event,
    watch: Watch | None = None,
    history: History | None = None,
    store: StoreKind = "memory",
) -> None:
    """The worker's work, in any thread, until `stop` is set; see `run_worker`. Unwatched, it never ends the process."""
    folder = Folder(domain, folds)
    work_group(Group.of(domain, folder.aggregates), DomainFolds(folder, history), kafka, data, stop, watch, store)


def work_group(
    group: Group,
    engine: Engine,
    kafka: str,
    data: Path,
    stop: threading.Event,
    watch: Watch | None = None,
    store: StoreKind = "memory",
) -> None:
    """The work on a group, in any thread, until `stop`; see `run_group`; unwatched, it never ends the process."""
    pinned.check()
    quieten("faust", "mode", "aiokafka")
    logging.getLogger("librdkafka").setLevel(logging.ERROR)
    gauges = Gauges(group.key)
    with (
        instance(data, group.name) as member,
        watched(kafka, group, gauges, data, member, watch) if watch else nullcontext(),
    ):
        if _wait_for_topics(group, kafka, stop):
            stores = stores_of(store, tuple(group.tables.values()), data / f"{group.name}.tables" / member)
            app = partial(FoldingApp, group, engine, stores, kafka=kafka, data=data, instance=member, gauges=gauges)
            asyncio.run(_run(app, stop))


def _stopped_by_signals(stop: threading.Event | None) -> threading.Event:
    stop = stop or threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _wait_for_topics(group: Group, kafka: str, stop: threading.Event) -> bool:
    """Wait for Kafka; False when stopped meanwhile. Raises Fatal when a topic is missing or has other partitions."""
    admin = AdminClient({"bootstrap.servers": kafka}, logger=logging.getLogger("librdkafka"))
    while not stop.is_set():
        try:
            found = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=3).topics.items()}
        except KafkaException as error:
            _log.warning("waiting for Kafka at %s: %s", kafka, error.args[0].str())
            stop.wait(1)
            continue
        for topic in (*group.sources, *group.tables.values(), group.held, group.dead_letters):
            if found.get(topic, 0) != group.partitions:
                state = f"has {found[topic]} partitions" if topic in found else "does not exist"
                raise Fatal(f"topic {topic} {state}, {group.key} needs {group.partitions}: declare the topics first")
        return True
    return False


async def _run(make: Callable[[], FoldingApp], stop: threading.Event) -> None:
    app = make()
    register(app)
    app.gauges.joining()
    starting = asyncio.ensure_future(app.start())
    failure = await _supervise(app, starting, stop)
    if failure is None:
        _log.info("%s: stopping", app.group.key)
    else:
        app.assignment.end()
    in_order = await _stop(app, starting, _STOP_SECONDS if failure is None else _END_SECONDS)
    if not in_order or app.assignment.stuck:
        # Threads that wait for Kafka would keep the process from ending.
        _log.error("%s: ending at once: %s", app.group.key, failure.detail if failure else "it did not stop in order")
        os._exit(1)
    if failure is not None:
        raise failure


async def _supervise(app: FoldingApp, starting: "asyncio.Future[None]", stop: threading.Event) -> HeadraceError | None:
    """Wait until the work ends; what ended it, None when it was stopped."""
    while not stop.is_set():
        if app.failure is not None:
            return app.failure
        if app.crashed or (starting.done() and starting.exception() is not None):
            reason = app.crash_reason or starting.exception()
            return Unavailable(f"the connection to Kafka was lost: {reason!r}")
        app.gauges.report()
        await asyncio.sleep(_TICK_SECONDS)
    return None


async def _stop(app: FoldingApp, starting: "asyncio.Future[None]", seconds: float) -> bool:
    """Finish the chunks under way, then stop everything; False when that took too long or failed."""
    try:
        async with asyncio.timeout(seconds):
            await app.assignment.close()
            app.assignment.end()
            starting.cancel()
            await app.stop()
    except Exception:
        _log.debug("stopping failed", exc_info=True)
        return False
    return True
