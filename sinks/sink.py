"""The sink process: one loader a topic, for all domains, each in a thread of its own."""

import logging
import threading
from collections.abc import Iterable

from schemas import Domain, Fatal, Unavailable
from sinks.clickhouse import ClickHouse
from sinks.loader import Loader
from sinks.opening import Opening
from sinks.tables import prepare
from sinks.targets import Target, targets_of

_log = logging.getLogger(__name__)


def run_sink(
    domains: Iterable[Domain],
    kafka: str,
    clickhouse: str,
    stop: threading.Event,
    opening: Opening | None = None,
    *,
    fsync: bool = False,
) -> None:
    """Load all topics of the domains until `stop`; `opening` opens the values of personal columns. With `fsync` every
    insert is synced to disk.

    Servers that are away are waited for. Raises Fatal, after all loaders have ended, when going on could lose or
    double rows.
    """
    domains = list(domains)
    if _prepare(clickhouse, domains, stop, fsync):
        run_targets([target for domain in domains for target in targets_of(domain, opening)], kafka, clickhouse, stop)


def run_targets(targets: Iterable[Target], kafka: str, clickhouse: str, stop: threading.Event) -> None:
    """Load the topics of the targets, whose tables are there, until `stop`. Raises as `run_sink`."""
    failures: list[Fatal] = []
    threads = [
        threading.Thread(target=_keep_loading, args=(kafka, clickhouse, target, stop, failures), name=target.topic)
        for target in targets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _prepare(clickhouse: str, domains: list[Domain], stop: threading.Event, fsync: bool) -> bool:
    while not stop.is_set():
        try:
            prepare(clickhouse, domains, fsync=fsync)
        except Unavailable as error:
            _log.warning("waiting: %s", error.detail)
            stop.wait(error.retry_after or 1)
        else:
            return True
    return False


def _keep_loading(kafka: str, clickhouse: str, target: Target, stop: threading.Event, failures: list[Fatal]) -> None:
    """Load one topic; after every interruption with a new member and a new connection."""
    while not stop.is_set():
        connection = ClickHouse(clickhouse)
        try:
            Loader(kafka, target, connection).run(stop)
        except Unavailable as error:
            _log.warning("%s: %s; coming back", target.topic, error.detail)
            stop.wait(error.retry_after or 1)
        except Exception as error:
            _log.error("%s: %s", target.topic, error)
            failures.append(error if isinstance(error, Fatal) else Fatal(f"{target.topic}: {error!r}"))
            stop.set()
        finally:
            connection.close()
