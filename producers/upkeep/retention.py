"""Forgets the ids of old commands: a retry that comes later than a domain's retention is a new command."""

import logging
import threading
from collections.abc import Iterable

from producers.sql import query
from producers.store.connections import KEEPER, Connections
from schemas import PROCESS_PREFIX, Domain, HeadraceError

log = logging.getLogger(__name__)

_EVERY = 60.0
# Short transactions, with pauses in which others have the disk: 10,000 events take some 100 ms.
_BATCH = 10_000
_PAUSE = 0.1


def run_retention(domains: Iterable[Domain], postgres: str, stop: threading.Event) -> None:
    """Delete the ids of commands older than `Domain.command_retention`, once a minute, until `stop` is set.

    Blocks. Ids of process managers are never deleted. A database that does not answer is waited for.
    """
    limited = [domain for domain in domains if domain.command_retention is not None]
    connections = Connections(postgres, 1, KEEPER)
    while limited and not stop.is_set():
        try:
            for domain in limited:
                while _forget(connections, domain) and not stop.wait(_PAUSE):
                    pass
        except HeadraceError as error:
            log.warning("retention of commands: %s", error.detail)
        stop.wait(_EVERY)
    connections.close()


def _forget(connections: Connections, domain: Domain) -> bool:
    values = {
        "domain": domain.key,
        "retention": domain.command_retention,
        "amount": _BATCH,
        "kept": PROCESS_PREFIX,
    }
    with connections.lend() as connection, connection.cursor() as cursor:
        cursor.execute(query("forget"), values)
        return cursor.fetchone() == (True,)
