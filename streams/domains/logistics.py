"""Folds of logistics: each shipment as of its latest scan by event time, and every sighting of it."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from schemas import Envelope, Event
from schemas.logistics import ExceptionReported, Scan, Shipment, ShipmentBooked, ShipmentDelivered, ShipmentScanned
from streams.fold import Fold, by_stream


def shipment(value: Shipment | None, event: Event, envelope: Envelope[Any]) -> Shipment:
    """The shipment after `event`. Raises LookupError for one never booked, ValueError for one booked twice."""
    if isinstance(event, ShipmentBooked):
        if value is not None:
            raise ValueError(f"{envelope.subject} was booked twice")
        return _booked(event)
    if value is None:
        raise LookupError(f"{type(event).__name__} of {envelope.subject} before its booking")
    match event:
        case ShipmentScanned():
            return _scanned(value, event)
        case ExceptionReported():
            return replace(value, exceptions=value.exceptions + 1, last_exception=event.code)
        case ShipmentDelivered():
            delay = max(0, int((event.at - event.promised_at).total_seconds()))
            seen = {"status": "delivered", "site": event.site, "seen_at": event.at, "estimated_at": event.at}
            return replace(value, **seen, delay=delay, delivered_at=event.at, proof=event.proof)
    return value


def _booked(event: ShipmentBooked) -> Shipment:
    origin, promised = event.legs[0].origin, event.promised_at
    return Shipment(
        shipment_id=event.shipment_id,
        customer_id=event.customer_id,
        origin=origin,
        destination=event.legs[-1].destination,
        weight=event.weight,
        status="booked",
        site=origin,
        seen_at=event.at,
        promised_at=promised,
        estimated_at=promised,
        booked_at=event.at,
    )


def _scanned(value: Shipment, event: ShipmentScanned) -> Shipment:
    if value.status == "delivered":
        return replace(value, scans=value.scans + 1, disordered=value.disordered + 1)
    row = replace(value, scans=value.scans + 1)
    if event.at < value.seen_at:
        row = replace(row, disordered=value.disordered + 1)
    else:
        row = replace(row, status=event.kind, site=event.site, seen_at=event.at)
    if event.planned_at is None or (value.measured_at is not None and event.at < value.measured_at):
        return row
    late = max(event.at - event.planned_at, timedelta(0))
    estimate = value.promised_at + late
    return replace(row, delay=int(late.total_seconds()), estimated_at=estimate, measured_at=event.at)


def sighting(value: Scan | None, event: Event, envelope: Envelope[Any]) -> Scan:
    """The sighting that an event is. Raises ValueError for one that came before."""
    if value is not None:
        raise ValueError(f"a sighting of {envelope.subject} came twice")
    match event:
        case ShipmentBooked():
            return Scan(shipment_id=event.shipment_id, site=event.legs[0].origin, kind="booked", at=event.at)
        case ShipmentScanned():
            return Scan(shipment_id=event.shipment_id, site=event.site, kind=event.kind, at=event.at)
        case ShipmentDelivered():
            return Scan(shipment_id=event.shipment_id, site=event.site, kind="delivered", at=event.at)
    raise TypeError(f"{type(event).__name__} is no sighting")


def _sighting_key(envelope: Envelope[Any]) -> str:
    event = envelope.data
    kind = f"scan:{event.scan_id}" if isinstance(event, ShipmentScanned) else type(event).__name__
    return f"{envelope.subject}/{kind}"


FOLDS = (
    Fold("shipments", key=by_stream, fold=shipment),
    Fold("sightings", key=_sighting_key, fold=sighting, events=(ShipmentBooked, ShipmentScanned, ShipmentDelivered)),
)
