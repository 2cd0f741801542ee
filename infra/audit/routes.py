"""Audits the topics of routes against the events topic, some of whose events each has, keyed another way."""

import time
from collections.abc import Callable
from functools import partial

from infra.audit.comparison import compare
from infra.audit.digests import Sums
from infra.audit.findings import Found, Hop
from infra.audit.published import Published
from schemas import Domain


def audit_route(
    kafka: str,
    domain: Domain,
    events: Published,
    full: tuple[int, int],
    found: Found,
    seconds: float,
    done: Callable[[int], None],
) -> Hop:
    """Compare the topic that `found` is of with the events topic, which was read between two positions (`full`)."""
    began, topic = time.monotonic(), found.hop
    with Published(kafka, domain, topic, full[0], found) as routed:
        note = routed.read(full[1], {}, seconds, done)
        bounds = (routed.after, min(routed.upto, full[1]))
        items = partial(events.routed_items, topic)
        compared = compare(events.routed[topic], items, routed, routed.sums, bounds, full, found)
        routed.disordered(compared.doubled)
        for position, item in compared.altered.items():
            what = "the record is not that of the events topic, or its key is not that of the route"
            found.add("altered", what, position=position, id=item.id, stream=item.stream, place=item.place)
        for position, item in compared.names.items():
            what = "the event does not belong on this route"
            found.add("extra", what, position=position, id=item.id, stream=item.stream, place=item.place)
        return hop_of(found, bounds[1], routed.sums, began, note=note, lag=lag(bounds[1], full[1]))


def hop_of(found: Found, upto: int, sums: Sums, began: float, note: str = "", lag: str = "") -> Hop:
    """A hop of events with what was found in it so far."""
    seconds = time.monotonic() - began
    return found.hop_of(upto=upto, count=sums.count, distinct=sums.distinct, seconds=seconds, note=note, lag=lag)


def lag(reached: int, upto: int) -> str:
    """How far behind a hop is, in words; nothing when it is not."""
    return f"{upto - reached:,} events behind" if reached < upto else ""
