"""Logistics: shipments that travel over legs, scans of them at sites, exceptions, and proof of delivery.

A scan happened when its date says, whenever it comes: scanners without a connection send late and in any order.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from schemas import Aggregate, Command, Domain, Event, Id, Instant, Text

Site = Annotated[str, Meta(pattern=r"^[A-Z]{3}[A-Z0-9]{0,5}\Z", description="A site: 3 to 8 capitals and digits.")]
Grams = Annotated[int, Meta(ge=1, le=1_000_000_000, description="Weight in grams.")]
Kind = Literal["picked-up", "departed", "arrived", "out-for-delivery"]
Code = Literal["damaged", "customs-hold", "bad-address", "weather", "missed-connection"]
Status = Literal["booked", "picked-up", "departed", "arrived", "out-for-delivery", "delivered"]


class Leg(Struct, frozen=True, forbid_unknown_fields=True):
    """One leg of a route with its planned departure and arrival."""

    origin: Site
    destination: Site
    departs_at: Instant
    arrives_at: Instant


class BookShipment(Command, frozen=True, kw_only=True):
    """Book a shipment over legs that follow one another. It is promised for the arrival of the last one."""

    shipment_id: Id
    customer_id: Id
    weight: Grams
    legs: Annotated[tuple[Leg, ...], Meta(min_length=1, max_length=20)]
    at: Instant | None = None


class ScanShipment(Command, frozen=True, kw_only=True):
    """Record a scan that was made at `at`. A scan id that came before changes nothing."""

    shipment_id: Id
    scan_id: Id
    site: Site
    kind: Kind
    at: Instant


class ReportException(Command, frozen=True, kw_only=True):
    """Record what went wrong with a shipment."""

    shipment_id: Id
    code: Code
    site: Site
    note: Text = "none"
    at: Instant | None = None


class ProveDelivery(Command, frozen=True, kw_only=True):
    """Record the delivery with the reference of its proof (a signature, a photo)."""

    shipment_id: Id
    proof: Id
    at: Instant | None = None


class ShipmentBooked(Event, frozen=True, kw_only=True):
    """A shipment was booked from the first leg's origin to the last one's destination."""

    shipment_id: str
    customer_id: str
    weight: int
    legs: tuple[Leg, ...]
    promised_at: Instant
    at: Instant


class ShipmentScanned(Event, frozen=True, kw_only=True):
    """A shipment was scanned at a site at `at`; `planned_at` is when that had been planned, null where it was not."""

    shipment_id: str
    scan_id: str
    site: str
    kind: Kind
    planned_at: Instant | None
    at: Instant


class ExceptionReported(Event, frozen=True, kw_only=True):
    """Something went wrong with a shipment."""

    shipment_id: str
    code: Code
    site: str
    note: str
    at: Instant


class ShipmentDelivered(Event, frozen=True, kw_only=True):
    """A shipment was delivered at its destination, with a proof; it had been promised for `promised_at`."""

    shipment_id: str
    proof: str
    site: str
    promised_at: Instant
    at: Instant


class Shipment(Struct, frozen=True, kw_only=True):
    """One shipment as of its latest scan by event time.

    `delay` is in whole seconds against the plan, early is 0; `estimated_at` is the promise put off by it. Both are as
    of the latest scan that was planned, made at `measured_at`. `disordered` counts scans that came after a later one.
    """

    shipment_id: str
    customer_id: str
    origin: str
    destination: str
    weight: int
    status: Status
    site: str
    seen_at: Instant
    promised_at: Instant
    estimated_at: Instant
    booked_at: Instant
    delay: int = 0
    measured_at: Instant | None = None
    scans: int = 0
    disordered: int = 0
    exceptions: int = 0
    last_exception: str = ""
    delivered_at: Instant | None = None
    proof: str = ""


class Scan(Struct, frozen=True, kw_only=True):
    """One sighting of a shipment: booked, scanned or delivered."""

    shipment_id: str
    site: str
    kind: Status
    at: Instant


DOMAIN = Domain(
    name="logistics",
    commands=(BookShipment, ScanShipment, ReportException, ProveDelivery),
    events=(ShipmentBooked, ShipmentScanned, ExceptionReported, ShipmentDelivered),
    aggregates=(Aggregate("shipments", Shipment), Aggregate("sightings", Scan)),
    stream_of=lambda command: command.shipment_id,
    event_time=lambda event: event.at,
)


def planned(legs: tuple[Leg, ...], site: str, kind: str) -> datetime | None:
    """When a scan of a kind at a site is planned; None where no leg says it."""
    for leg in legs:
        if kind == "arrived" and leg.destination == site:
            return leg.arrives_at
        if kind == "departed" and leg.origin == site:
            return leg.departs_at
    return None


def sites(legs: tuple[Leg, ...]) -> set[Any]:
    """All sites of a route."""
    return {leg.origin for leg in legs} | {leg.destination for leg in legs}
