"""What process managers have fired, as the event store remembers it: their ids are never forgotten."""

from collections.abc import Iterable

from producers.sql import query
from producers.store.connections import READER, Connections
from schemas import Domain


def has_fired(postgres: str, domains: Iterable[Domain], prefix: str) -> bool:
    """Whether a command whose id begins with `prefix` was accepted in one of the domains of the database at this URL.

    Raises Unavailable when the database does not answer.
    """
    connections = Connections(postgres, 1, READER)
    try:
        with connections.lend() as connection, connection.cursor() as cursor:
            for domain in domains:
                cursor.execute(query("fired"), {"domain": domain.key, "prefix": prefix})
                if cursor.fetchone() == (True,):
                    return True
    finally:
        connections.close()
    return False
