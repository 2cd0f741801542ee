"""The routes of a domain: the same records once more, keyed another way, each route on a topic of its own."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from producers.relay.records import Row
from schemas import Domain, Route, Ticked, envelope_decoder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Routed:
    """A record of a route's topic."""

    topic: str
    key: bytes
    value: bytes


class Routes:
    """Some routes of a domain."""

    def __init__(self, domain: Domain, names: Iterable[str]) -> None:
        self._routes = [(domain.route(name), domain.route_topic(domain.route(name))) for name in names]
        self._decode = envelope_decoder(domain).decode
        self.topics = [topic for _, topic in self._routes]

    def of(self, rows: Sequence[Row]) -> Iterator[Routed]:
        """The records of these rows on all routes, in order. The values are those of the events topic.

        An event whose key on a route cannot be found goes out under its partition key: readers of the route find that
        it does not fit and put it aside, and the relay goes on.
        """
        if not self._routes:
            return
        for row in rows:
            for topic, key in self._keys(row):
                yield Routed(topic, key, row.value)

    def _keys(self, row: Row) -> Iterator[tuple[str, bytes]]:
        try:
            envelope = self._decode(row.value)
        except Exception as error:
            log.error("the event at position %d cannot be read for the routes: %r", row.position, error)
            yield from ((topic, row.key) for topic in self.topics)
            return
        kind = type(envelope.data)
        for route, topic in self._routes:
            if concerns(route, kind):
                try:
                    key = route.key(envelope).encode()
                except Exception as error:
                    log.error("the event at position %d has no key on %s: %r", row.position, topic, error)
                    key = row.key
                yield topic, key


def concerns(route: Route, kind: type) -> bool:
    """Whether events of a type are on the route."""
    return kind in route.events if route.events else kind is not Ticked
