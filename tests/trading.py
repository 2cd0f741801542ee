"""Commands of trading, for tests, and what a book says in short."""

from datetime import UTC, datetime

from producers.domains.trading import DECIDER
from producers.domains.trading.book import State
from schemas.trading import (
    DOMAIN,
    AmendOrder,
    CancelOrder,
    ListInstrument,
    OrderFilled,
    PlaceLimit,
    PlaceMarket,
    Side,
)
from tests.world import World

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
X = "X"


def listed(name: str = X, at: datetime | None = NOON) -> ListInstrument:
    return ListInstrument(instrument_id=name, currency="USD", decimals=2, at=at)


def limit(
    order: str, side: Side, price: int, lots: int = 10, trader: str = "", at: datetime | None = None, name: str = X
) -> PlaceLimit:
    return PlaceLimit(
        instrument_id=name,
        order_id=order,
        trader_id=trader or f"t-{order}",
        side=side,
        price=price,
        quantity=lots,
        at=at,
    )


def market(order: str, side: Side, lots: int = 10, trader: str = "") -> PlaceMarket:
    trader = trader or f"t-{order}"
    return PlaceMarket(instrument_id=X, order_id=order, trader_id=trader, side=side, quantity=lots)


def cancel(order: str, trader: str = "") -> CancelOrder:
    return CancelOrder(instrument_id=X, order_id=order, trader_id=trader or f"t-{order}")


def amend(order: str, price: int | None = None, lots: int | None = None, trader: str = "") -> AmendOrder:
    trader = trader or f"t-{order}"
    return AmendOrder(instrument_id=X, order_id=order, trader_id=trader, price=price, quantity=lots)


def world(*commands: PlaceLimit | PlaceMarket | CancelOrder | AmendOrder) -> World:
    """A listed instrument, after commands that were all accepted."""
    return World(DOMAIN, DECIDER, NOON).given(listed(), *commands)


def book(market: World) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    """Both sides as (order, price, lots), the next to trade first."""
    state: State = market.states[X]
    buy, sell = ([(each.order_id, each.price, each.quantity) for each in side] for side in (state.buy, state.sell))
    return buy, sell


def trades(events: list[object]) -> list[tuple[str, str, int, int]]:
    """Of some events the trades: the order that came, the one that waited, price, lots."""
    fills = [each for each in events if isinstance(each, OrderFilled) and each.role == "taker"]
    return [(each.order_id, each.other_order, each.price, each.quantity) for each in fills]
