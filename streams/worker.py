"""Runs the worker of one domain as the process in the foreground."""

import asyncio
import logging
import os
import signal
import threading
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas import Domain, Fatal, HeadraceError, Unavailable, stage_module
from streams.app import FoldingApp, register
from streams.folding import Folder
from streams.identity import instance
from streams.quiet import quieten

_log = logging.getLogger(__name__)

_TICK_SECONDS = 0.1
_STOP_SECONDS = 15.0
_END_SECONDS = 3.0  # after a failure nothing is worth waiting for


def run_worker(domain: Domain, kafka: str, data: Path, stop: threading.Event | None = None) -> None:
    """Fold the domain's events until SIGTERM, SIGINT or `stop`; then the chunks under way are finished.

    `kafka` are bootstrap servers, `data` is a directory for the worker's identity. Waits for a Kafka that is not
    up yet. Short outages are waited out; a longer one, or another worker that took over a partition while this
    one was away, raises Unavailable or Fatal: the process must end with an error and be started again, which
    takes up the work at the last committed chunk. Must be called from the main thread.
    """
    stop = stop or threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    quieten("faust", "mode", "aiokafka")
    logging.getLogger("librdkafka").setLevel(logging.ERROR)
    folder = Folder(domain, stage_module("streams", domain).FOLDS)
    if _wait_for_topics(domain, kafka, stop):
        with instance(data, domain.worker_app) as member:
            asyncio.run(_run(domain, folder, kafka, data, member, stop))


def _wait_for_topics(domain: Domain, kafka: str, stop: threading.Event) -> bool:
    """Wait for Kafka; False when stopped meanwhile. Raises Fatal when a topic is missing or has other partitions."""
    admin = AdminClient({"bootstrap.servers": kafka}, logger=logging.getLogger("librdkafka"))
    while not stop.is_set():
        try:
            found = {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=3).topics.items()}
        except KafkaException as error:
            _log.warning("waiting for Kafka at %s: %s", kafka, error.args[0].str())
            stop.wait(1)
            continue
        tables = [domain.aggregate_topic(aggregate) for aggregate in domain.aggregates]
        for topic in (domain.events_topic, *tables, domain.held_topic, domain.dead_letters_topic):
            if found.get(topic, 0) != domain.partitions:
                state = f"has {found[topic]} partitions" if topic in found else "does not exist"
                raise Fatal(f"topic {topic} {state}, the domain needs {domain.partitions}: declare the topics first")
        return True
    return False


async def _run(domain: Domain, folder: Folder, kafka: str, data: Path, member: str, stop: threading.Event) -> None:
    app = FoldingApp(domain, folder, kafka=kafka, data=data, instance=member)
    register(app, folder)
    starting = asyncio.ensure_future(app.start())
    failure = await _supervise(app, starting, stop)
    if failure is None:
        _log.info("%s: stopping", domain.key)
    else:
        app.assignment.end()
    in_order = await _stop(app, starting, _STOP_SECONDS if failure is None else _END_SECONDS)
    if not in_order or app.assignment.stuck:
        # Threads that wait for Kafka would keep the process from ending.
        _log.error("%s: ending at once: %s", domain.key, failure.detail if failure else "it did not stop in order")
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
