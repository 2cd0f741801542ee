"""The relay process: a thread for each domain."""

import threading
from collections.abc import Iterable

from producers.relay.following import follow
from schemas import Domain


def run_relay(domains: Iterable[Domain], postgres: str, kafka: str, stop: threading.Event) -> None:
    """Relay all domains from the database at `postgres` (URL) to `kafka` (bootstrap servers) until `stop` is set.

    Blocks. Servers that are down are waited for. A second relay of a domain stands by until the first one ends.
    Raises Fatal, after all threads have stopped, when a database does not hold what was published, or the mistake
    that ended a thread.
    """
    failures: list[BaseException] = []

    def run(domain: Domain) -> None:
        try:
            follow(domain, postgres, kafka, stop)
        except BaseException as error:
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=run, args=(domain,), name=f"relay-{domain.name}") for domain in domains]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
