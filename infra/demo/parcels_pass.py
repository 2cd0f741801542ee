"""The plain pass over synthetic parcels: what the answers of the logistics demo must be."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from infra.demo.parcels import START, Movement

INSTANT = START + timedelta(days=10, hours=6)
LANES, PARCELS = 10, 200


def answers(moved: Sequence[Movement]) -> dict[str, Any]:
    """The answers, in the form in which the demo asks for them."""
    parcels: dict[str, list[Movement]] = defaultdict(list)
    for movement in moved:
        parcels[movement.parcel].append(movement)
    exceptions = Counter((each.site, each.what) for each in moved if each.step == "exception")
    return {
        "lanes": _lanes(parcels),
        "where": _where(parcels, INSTANT),
        "exceptions": [[*key, n] for key, n in sorted(exceptions.items(), key=lambda item: (-item[1], item[0]))],
        "scans": sum(each.step == "scan" for each in moved),
        "delivered": sum(each.step == "deliver" for each in moved),
    }


def _lanes(parcels: dict[str, list[Movement]]) -> list[list[Any]]:
    delays: dict[tuple[str, str], list[int]] = defaultdict(list)
    for movements in parcels.values():
        plan = next(each.plan for each in movements if each.step == "book")
        for each in movements:
            if each.step == "deliver":
                delays[plan[0][0], plan[-1][0]].append(max(0, int((each.at - plan[-1][1]).total_seconds())))
    busiest = sorted(delays.items(), key=lambda item: (-len(item[1]), item[0]))[:LANES]
    return [[*lane, len(found), found.count(0), max(found)] for lane, found in busiest]


def _where(parcels: dict[str, list[Movement]], instant: datetime) -> list[list[str]]:
    """Of movements at one instant the last one on the parcel's way counts; the ids of scans say which that is."""
    found = []
    for parcel, movements in sorted(parcels.items()):
        seen = [each for each in movements if each.step != "exception" and each.at <= instant]
        if seen:
            last = max(seen, key=lambda each: (each.at, _order(each)))
            found.append([parcel, last.site])
    return found[:PARCELS]


def _order(movement: Movement) -> str:
    names = {"book": "ShipmentBooked", "deliver": "ShipmentDelivered"}
    return names.get(movement.step, f"scan:{scan_id(movement)}")


def scan_id(movement: Movement) -> str:
    """The id of a scan: what was done, where and when."""
    return f"{movement.what}-{movement.site}-{movement.at:%Y%m%dT%H%M%S}"
