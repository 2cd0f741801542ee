"""The rules of shipments: given these commands, when this one comes, then these events or this refusal."""

from datetime import timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from producers.domains.logistics import DECIDER
from schemas import Command, Event, HeadraceError, NotFound, Refused
from schemas.logistics import DOMAIN, ExceptionReported, ShipmentBooked, ShipmentDelivered, ShipmentScanned
from tests.parcels import HOUR, NOON, ROUTE, book, deliver, leg, report, scan
from tests.world import World

NOW = NOON + timedelta(days=30)
END = ROUTE[-1].arrives_at


def given(*commands: Command) -> World:
    return World(DOMAIN, DECIDER, NOW).given(*commands)


CONSEQUENCES: list[tuple[tuple[Command, ...], Command, list[Event]]] = [
    (
        (),
        book(),
        [ShipmentBooked(shipment_id="s1", customer_id="ann", weight=2500, legs=ROUTE, promised_at=END, at=NOON)],
    ),
    (
        (book(),),
        scan(2, "FRA", "arrived", 11),
        [
            ShipmentScanned(
                shipment_id="s1",
                scan_id="c2",
                site="FRA",
                kind="arrived",
                planned_at=NOON + 10 * HOUR,
                at=NOON + 11 * HOUR,
            )
        ],
    ),
    ((book(), scan()), scan(), []),
    (
        (book(),),
        report(),
        [ExceptionReported(shipment_id="s1", code="weather", site="FRA", note="none", at=NOON + 5 * HOUR)],
    ),
    (
        (book(), scan()),
        deliver(),
        [ShipmentDelivered(shipment_id="s1", proof="photo-1", site="MUC", promised_at=END, at=NOON + 18 * HOUR)],
    ),
]


@pytest.mark.parametrize(("before", "command", "events"), CONSEQUENCES)
def test_an_allowed_command_leads_to_its_events(
    before: tuple[Command, ...], command: Command, events: list[Event]
) -> None:
    assert given(*before).events(command) == events


DONE = (book(), scan(), deliver())
REFUSALS: list[tuple[tuple[Command, ...], Command, type[HeadraceError], str, str]] = [
    ((book(),), book(), Refused, "already-booked", "shipment_id"),
    ((), book(legs=(leg(hours=-1),)), Refused, "leg-goes-back", "legs[0].arrives_at"),
    ((), book(legs=(leg(destination="HAM"),)), Refused, "leg-stays", "legs[0].destination"),
    ((), book(legs=(leg(), leg("BER", "MUC", 12))), Refused, "legs-apart", "legs[1].origin"),
    ((), book(legs=(leg(), leg("FRA", "MUC", 5))), Refused, "legs-overlap", "legs[1].departs_at"),
    *(((), c, NotFound, "unknown-shipment", "shipment_id") for c in (scan(), report(), deliver())),
    ((book(),), scan(site="LAX"), Refused, "not-on-route", "site"),
    ((book(),), report(site="LAX"), Refused, "not-on-route", "site"),
    ((book(),), scan(hours=-1), Refused, "before-booking", "at"),
    ((book(),), report(hours=-1), Refused, "before-booking", "at"),
    (DONE, scan(9, hours=19), Refused, "after-delivery", "at"),
    (DONE, report(hours=19), Refused, "after-delivery", "at"),
    ((book(),), deliver(), Refused, "never-scanned", "shipment_id"),
    ((book(), scan(hours=19)), deliver(18), Refused, "scanned-later", "at"),
    (DONE, deliver(20), Refused, "already-delivered", "shipment_id"),
]


@pytest.mark.parametrize(("before", "command", "error", "rule", "field"), REFUSALS)
def test_a_command_that_breaks_a_rule_is_refused_with_the_rule_and_a_sentence(
    before: tuple[Command, ...], command: Command, error: type[HeadraceError], rule: str, field: str
) -> None:
    found = given(*before).refuses(command, error)
    assert (found.rule, found.field) == (rule, field)


def test_a_scan_may_come_late_even_after_the_delivery() -> None:
    assert given(*DONE).events(scan(9, "FRA", "arrived", 11))


SCANS = st.builds(
    scan,
    st.integers(1, 6),
    st.sampled_from(["HAM", "FRA", "MUC", "LAX"]),
    st.sampled_from(["departed", "arrived"]),
    st.integers(-1, 30),
)
COMMANDS = st.one_of(
    st.just(book()), SCANS, st.builds(report, hours=st.integers(-1, 30)), st.builds(deliver, st.integers(0, 30))
)


@for_all(st.lists(COMMANDS, max_size=40))
def test_whatever_comes_scans_are_once_on_the_route_and_between_booking_and_delivery(commands: list[Command]) -> None:
    world = World(DOMAIN, DECIDER, NOW)
    for command in commands:
        try:
            world.when(command)
        except (Refused, NotFound):
            continue
    events = [event for _, event in world.happened]
    scans = [event for event in events if isinstance(event, ShipmentScanned)]
    delivered = [event.at for event in events if isinstance(event, ShipmentDelivered)]
    assert len({each.scan_id for each in scans}) == len(scans)
    assert len(delivered) <= 1
    assert all(each.site in {"HAM", "FRA", "MUC"} for each in scans)
    assert all(NOON <= each.at <= (delivered[0] if delivered else each.at) for each in scans)
