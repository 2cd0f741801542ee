"""The folds of logistics: scans are placed by when they were made, in whatever order they come."""

from random import Random

from hypothesis import given as for_all
from hypothesis import strategies as st

from producers.domains.logistics import DECIDER
from schemas import Command
from schemas.logistics import DOMAIN
from streams.kit import Given, given
from streams.kit.history import Step
from tests.parcels import HOUR, NOON, book, deliver, report, scan
from tests.unit.test_logistics_decider import END, NOW
from tests.world import World


def after(*commands: Command) -> Given:
    return given(DOMAIN, [Step(*each) for each in World(DOMAIN, DECIDER, NOW).given(*commands).happened])


def test_a_late_arrival_puts_the_estimate_off_and_an_early_one_does_not_bring_it_forward() -> None:
    late = after(book(), scan(), scan(2, "FRA", "arrived", 11.5)).table("shipments")["s1"]
    assert (late.status, late.site, late.delay, late.estimated_at) == ("arrived", "FRA", 5400, END + 1.5 * HOUR)
    early = after(book(), scan(2, "FRA", "arrived", 9)).table("shipments")["s1"]
    assert (early.delay, early.estimated_at) == (0, END)


def test_a_scan_that_comes_out_of_order_is_counted_but_moves_nothing() -> None:
    row = after(book(), scan(2, "FRA", "arrived", 10), scan(1)).table("shipments")["s1"]
    assert (row.site, row.status, row.seen_at, row.scans, row.disordered) == ("FRA", "arrived", NOON + 10 * HOUR, 2, 1)


def test_a_delivery_ends_with_its_own_delay_and_exceptions_are_counted() -> None:
    row = after(book(), scan(), report(), deliver(19)).table("shipments")["s1"]
    assert (row.status, row.site, row.delay, row.proof) == ("delivered", "MUC", 3600, "photo-1")
    assert (row.exceptions, row.last_exception, row.delivered_at) == (1, "weather", NOON + 19 * HOUR)


def test_each_sighting_has_its_place_in_time() -> None:
    table = after(book(), scan(2, "FRA", "arrived", 10), scan(1), deliver()).table("sightings")
    assert [(row.site, row.kind) for row in sorted(table.values(), key=lambda row: row.at)] == [
        ("HAM", "booked"),
        ("HAM", "picked-up"),
        ("FRA", "arrived"),
        ("MUC", "delivered"),
    ]


SCANS = [
    scan(5, "FRA", "out-for-delivery", 14),
    scan(1),
    scan(2, "HAM", "departed", 3),
    scan(3, "FRA", "arrived", 11),
    scan(4, "FRA", "departed", 13),
]


@for_all(st.permutations(SCANS), st.randoms(use_true_random=False))
def test_whatever_the_order_of_arrival_the_shipment_stands_where_it_was_seen_last(
    scans: list[Command], random: Random
) -> None:
    history = after(book(), *scans)
    assert history.folded(random) == history.folded()
    row, right = history.table("shipments")["s1"], after(book(), *SCANS).table("shipments")["s1"]
    assert (row.site, row.status, row.seen_at, row.delay) == (right.site, right.status, right.seen_at, right.delay)
    assert history.table("sightings") == after(book(), *SCANS).table("sightings")
