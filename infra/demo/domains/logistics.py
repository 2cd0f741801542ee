"""The logistics demo: synthetic parcels through a storm: where each was and what was on time, by a plain pass, too."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.table import Table

from infra.demo.demo import Ask, Demo, Fed
from infra.demo.parcels import Movement, movements
from infra.demo.parcels_pass import INSTANT, LANES, PARCELS, answers, scan_id
from schemas import Command
from schemas.logistics import BookShipment, Code, Kind, Leg, ProveDelivery, ReportException, ScanShipment

_BAR = 30


def _command(movement: Movement) -> Command:
    step, parcel, at, site, what, plan = movement
    match step:
        case "book":
            legs = tuple(Leg(a[0], b[0], a[1], b[1]) for a, b in zip(plan[::2], plan[1::2], strict=True))
            return BookShipment(shipment_id=parcel, customer_id="synthetic", weight=1000, legs=legs, at=at)
        case "scan":
            kind, id_ = cast(Kind, what), scan_id(movement)
            return ScanShipment(shipment_id=parcel, scan_id=id_, site=site, kind=kind, at=at)
        case "exception":
            return ReportException(shipment_id=parcel, code=cast(Code, what), site=site, at=at)
    return ProveDelivery(shipment_id=parcel, proof=what, at=at)


def _commands(moved: Sequence[Movement]) -> Iterator[Fed]:
    return (("logistics", f"logistics-demo-{number}", _command(each)) for number, each in enumerate(moved))


def _ask(ask: Ask) -> dict[str, Any]:
    lanes = ask("logistics", "on-time-by-lane", limit=LANES)
    columns = ("origin", "destination", "delivered", "on_time", "worst_seconds")
    where = ask("logistics", "where-was", at=INSTANT.isoformat(), limit=PARCELS)
    statuses = ask("logistics", "by-status")
    return {
        "lanes": [[row[name] for name in columns] for row in lanes],
        "where": [[row["shipment_id"], row["site"]] for row in where],
        "exceptions": [[row["site"], row["code"], row["reports"]] for row in ask("logistics", "exceptions")],
        "scans": sum(row["scans"] for row in statuses),
        "delivered": sum(row["shipments"] for row in statuses if row["status"] == "delivered"),
    }


def _show(found: Mapping[str, Any]) -> RenderableType:
    lanes = Table("lane", "delivered", "on time", "", "latest", title="On time by lane", box=None)
    for origin, destination, delivered, on_time, worst in found["lanes"]:
        rate = on_time / delivered
        lanes.add_row(
            f"{origin}-{destination}", f"{delivered:,}", f"{rate:.0%}", "█" * round(_BAR * rate), f"{worst // 3600} h"
        )
    what = Table("site", "exception", "reports", title="Exceptions", box=None)
    for site, code, reports in found["exceptions"][:6]:
        what.add_row(site, code, f"{reports:,}")
    return Group(lanes, what, f"\n{found['scans']:,} scans, {found['delivered']:,} deliveries; the input is synthetic.")


DEMO = Demo(
    name="logistics",
    title="Synthetic parcels of three weeks: scans out of order, a storm at a hub, on-time rates by lane.",
    domains=("logistics",),
    read=movements,
    opening=lambda moved: f"{len(moved):,} synthetic movements of parcels go in as commands now.",
    commands=_commands,
    ask=_ask,
    expected=answers,
    show=_show,
    verdict="Exactly what a plain pass over the input gives, parcel by parcel.",
    next=(
        f"curl '{{url}}/api/logistics/queries/where-was?at={INSTANT:%Y-%m-%dT%H:%M:%SZ}&limit=5'",
        "curl '{url}/api/logistics/queries/history?shipment_id=parcel-00001'",
    ),
)
