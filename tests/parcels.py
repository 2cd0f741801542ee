"""Commands of logistics, for tests."""

from datetime import UTC, datetime, timedelta

from schemas.logistics import BookShipment, Code, Kind, Leg, ProveDelivery, ReportException, ScanShipment

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def leg(origin: str = "HAM", destination: str = "FRA", departs: float = 2, hours: float = 8) -> Leg:
    return Leg(origin, destination, NOON + departs * HOUR, NOON + (departs + hours) * HOUR)


ROUTE = (leg(), leg("FRA", "MUC", 12, 6))


def book(id_: str = "s1", legs: tuple[Leg, ...] = ROUTE, at: datetime | None = NOON) -> BookShipment:
    return BookShipment(shipment_id=id_, customer_id="ann", weight=2500, legs=legs, at=at)


def scan(
    number: int = 1, site: str = "HAM", kind: Kind = "picked-up", hours: float = 1, id_: str = "s1"
) -> ScanShipment:
    return ScanShipment(shipment_id=id_, scan_id=f"c{number}", site=site, kind=kind, at=NOON + hours * HOUR)


def report(code: Code = "weather", site: str = "FRA", hours: float = 5, id_: str = "s1") -> ReportException:
    return ReportException(shipment_id=id_, code=code, site=site, at=NOON + hours * HOUR)


def deliver(hours: float | None = 18, id_: str = "s1") -> ProveDelivery:
    return ProveDelivery(shipment_id=id_, proof="photo-1", at=None if hours is None else NOON + hours * HOUR)
