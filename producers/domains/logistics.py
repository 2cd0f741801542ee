"""The rules of shipments.

Legs follow one another. Scans may come in any order, but only from sites of the route, once each, and none is dated
before the booking or after the delivery. A shipment is delivered once, at or after all that is known of it.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from producers.decider import Decider, Facts
from schemas import Command, Event, NotFound, Refused
from schemas.logistics import (
    BookShipment,
    ExceptionReported,
    Leg,
    ProveDelivery,
    ReportException,
    ScanShipment,
    ShipmentBooked,
    ShipmentDelivered,
    ShipmentScanned,
    planned,
    sites,
)


class State(Struct, frozen=True, gc=False):
    """What the rules need to know of a shipment; `seen_at` is the latest date of a scan."""

    legs: tuple[Leg, ...]
    booked_at: datetime
    seen_at: datetime
    scan_ids: frozenset[str] = frozenset()
    delivered_at: datetime | None = None


def decide(state: State | None, command: Command, facts: Facts) -> tuple[Event, ...]:
    """The events of a command. Raises Refused or NotFound with the rule that forbids it."""
    match command:
        case BookShipment():
            return (_book(state, command, facts),)
        case ScanShipment():
            return _scan(_booked(state, command.shipment_id), command)
        case ReportException():
            return (_report(_booked(state, command.shipment_id), command, facts),)
        case ProveDelivery():
            return (_deliver(_booked(state, command.shipment_id), command, facts),)
    raise TypeError(f"{type(command).__name__} is no command of a shipment")


def evolve(state: State | None, event: Event) -> State | None:
    """The state after an event."""
    match event:
        case ShipmentBooked():
            return State(event.legs, event.at, event.at)
        case ShipmentScanned() if state is not None:
            known = state.scan_ids | {event.scan_id}
            return replace(state, scan_ids=known, seen_at=max(state.seen_at, event.at))
        case ShipmentDelivered() if state is not None:
            return replace(state, delivered_at=event.at)
    return state


def _booked(state: State | None, shipment_id: str) -> State:
    if state is None:
        raise NotFound(f"there is no shipment {shipment_id}", rule="unknown-shipment", field="shipment_id")
    return state


def _book(state: State | None, command: BookShipment, facts: Facts) -> Event:
    if state is not None:
        raise Refused(f"{command.shipment_id} was already booked", rule="already-booked", field="shipment_id")
    for number, leg in enumerate(command.legs):
        if leg.arrives_at <= leg.departs_at:
            raise Refused("a leg arrives after it departs", rule="leg-goes-back", field=f"legs[{number}].arrives_at")
        if leg.origin == leg.destination:
            raise Refused("a leg leads to another site", rule="leg-stays", field=f"legs[{number}].destination")
        if number and leg.origin != command.legs[number - 1].destination:
            raise Refused("a leg begins where the one before ends", rule="legs-apart", field=f"legs[{number}].origin")
        if number and leg.departs_at < command.legs[number - 1].arrives_at:
            raise Refused(
                "a leg departs after the one before arrives", rule="legs-overlap", field=f"legs[{number}].departs_at"
            )
    return ShipmentBooked(
        shipment_id=command.shipment_id,
        customer_id=command.customer_id,
        weight=command.weight,
        legs=command.legs,
        promised_at=command.legs[-1].arrives_at,
        at=command.at or facts.now,
    )


def _scan(state: State, command: ScanShipment) -> tuple[Event, ...]:
    if command.scan_id in state.scan_ids:
        return ()
    _on_route(state, command.site)
    _dated(state, command.at)
    return (
        ShipmentScanned(
            shipment_id=command.shipment_id,
            scan_id=command.scan_id,
            site=command.site,
            kind=command.kind,
            planned_at=planned(state.legs, command.site, command.kind),
            at=command.at,
        ),
    )


def _report(state: State, command: ReportException, facts: Facts) -> Event:
    _on_route(state, command.site)
    at = command.at or max(facts.now, state.booked_at)
    _dated(state, at)
    return ExceptionReported(
        shipment_id=command.shipment_id, code=command.code, site=command.site, note=command.note, at=at
    )


def _deliver(state: State, command: ProveDelivery, facts: Facts) -> Event:
    if state.delivered_at is not None:
        raise Refused(f"{command.shipment_id} was already delivered", rule="already-delivered", field="shipment_id")
    if not state.scan_ids:
        raise Refused(f"{command.shipment_id} was never picked up", rule="never-scanned", field="shipment_id")
    at = command.at or max(facts.now, state.seen_at)
    if at < state.seen_at:
        raise Refused(f"it was scanned later, at {state.seen_at.isoformat()}", rule="scanned-later", field="at")
    last = state.legs[-1]
    return ShipmentDelivered(
        shipment_id=command.shipment_id,
        proof=command.proof,
        site=last.destination,
        promised_at=last.arrives_at,
        at=at,
    )


def _on_route(state: State, site: str) -> None:
    if site not in sites(state.legs):
        raise Refused(f"{site} is not on the route", rule="not-on-route", field="site")


def _dated(state: State, at: datetime) -> None:
    if at < state.booked_at:
        raise Refused(f"it was booked at {state.booked_at.isoformat()}", rule="before-booking", field="at")
    if state.delivered_at is not None and at > state.delivered_at:
        raise Refused(f"it was delivered at {state.delivered_at.isoformat()}", rule="after-delivery", field="at")


DECIDER = Decider(decide, evolve, state=State)
