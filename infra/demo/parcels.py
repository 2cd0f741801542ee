"""Synthetic parcels of three weeks, made with a fixed seed: no shipment behind them is real.

A few sites have most of the traffic (Zipf), a storm delays all that passes one hub for two days, and scanners without a
connection send their scans hours late, in another order than they were made.
"""

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from random import Random
from typing import NamedTuple

SITES = ("FRA", "HAM", "MUC", "BER", "CGN", "LEJ", "STR", "HAJ")
SHIPMENTS = 2_500
START = datetime(2026, 4, 1, tzinfo=UTC)
STORM = START + timedelta(days=9), START + timedelta(days=11)
_HUB, _LATE, _CODES = "FRA", 0.08, ("damaged", "customs-hold", "bad-address", "missed-connection")
_KINDS = ("departed", "arrived")


class Movement(NamedTuple):
    """What happened to a parcel at an instant. `what` is a kind of scan, a code, or a proof."""

    step: str
    parcel: str
    at: datetime
    site: str
    what: str
    plan: tuple[tuple[str, datetime], ...] = ()


def movements(seed: int = 20260401) -> list[Movement]:
    """All movements in the order in which they arrive."""
    random = Random(seed)
    arrivals: list[tuple[datetime, int, Movement]] = []
    for number in range(SHIPMENTS):
        for movement in _travel(random, f"parcel-{number:05}"):
            late = movement.step == "scan" and random.random() < _LATE
            arrival = movement.at + timedelta(hours=random.uniform(1, 30) if late else 0)
            arrivals.append((arrival, len(arrivals), movement))
    return [movement for _, _, movement in sorted(arrivals)]


def _travel(random: Random, parcel: str) -> list[Movement]:
    booked = START + timedelta(minutes=random.randint(0, 20 * 24 * 60))
    route = _route(random)
    plan, at = [], booked + timedelta(hours=4)
    for one, other in pairwise(route):
        plan += [(one, at), (other, at + timedelta(hours=random.randint(4, 10)))]
        at = plan[-1][1] + timedelta(hours=3)
    made = [Movement("book", parcel, booked, route[0], "", tuple(plan))]
    made.append(Movement("scan", parcel, booked + timedelta(hours=1), route[0], "picked-up"))
    slip = timedelta(0)
    for number, (site, planned) in enumerate(plan):
        slip = max(timedelta(minutes=-80), slip + timedelta(minutes=round(random.gauss(-12, 25))))
        if site == _HUB and STORM[0] <= planned < STORM[1]:
            slip += timedelta(hours=random.randint(2, 9))
            made.append(Movement("exception", parcel, planned + slip, site, "weather"))
        made.append(Movement("scan", parcel, planned + slip, site, _KINDS[number % 2]))
    if random.random() < 0.03:
        made.append(Movement("exception", parcel, made[-1].at, route[-1], random.choice(_CODES)))
    if random.random() < 0.95:
        handed = made[-1].at + timedelta(minutes=random.randint(0, 40))
        made.append(Movement("deliver", parcel, handed, route[-1], f"proof-{parcel}"))
    return made


def _route(random: Random) -> list[str]:
    weights = list(accumulate(1 / (rank + 1) for rank in range(len(SITES))))
    route: list[str] = []
    while len(route) < random.choice((2, 3, 3, 4)):
        site = random.choices(SITES, cum_weights=weights)[0]
        if site not in route:
            route.append(site)
    return route
