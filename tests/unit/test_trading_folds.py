"""The folds of trading: given what happened, then what the rows say."""

from schemas.trading import DOMAIN, InstrumentListed, OrderFilled, Position
from streams.kit import Given, given, on
from streams.kit.history import Step
from tests.trading import NOON, X, amend, cancel, limit, market, world
from tests.world import World


def after(found: World) -> Given:
    return given(DOMAIN, [Step(*each) for each in found.happened])


def test_an_instrument_counts_each_trade_once_and_has_its_last_price() -> None:
    rows = after(world(limit("a", "sell", 100, 5), limit("b", "sell", 101, 5), market("c", "buy", 8)))
    row = rows.table("instruments")[X]
    assert (row.orders, row.trades, row.volume, row.turnover, row.last_price) == (3, 2, 8, 803, 101)


def test_an_order_has_what_was_filled_is_open_and_was_cancelled() -> None:
    made = world(limit("a", "sell", 100, 9), market("c", "buy", 4), amend("a", lots=3), market("d", "buy", 1))
    row = after(made).table("orders")["X/a"]
    assert (row.quantity, row.filled, row.open, row.cancelled, row.status) == (7, 5, 2, 0, "open")
    row = after(made.given(cancel("a"))).table("orders")["X/a"]
    assert (row.quantity, row.filled, row.open, row.cancelled, row.status) == (7, 5, 0, 2, "cancelled")
    assert (row.turnover, after(made).table("orders")["X/c"].status) == (500, "filled")


def _position(*deals: tuple[int, int]) -> Position:
    """The position of one who bought so many lots (less than 0: sold) at such prices, one after the other."""
    found = world()
    for number, (lots, price) in enumerate(deals):
        theirs, mine = ("sell", "buy") if lots > 0 else ("buy", "sell")
        found.given(limit(f"m{number}", theirs, price, abs(lots), "other"))  # type: ignore[arg-type]
        found.given(market(f"t{number}", mine, abs(lots), "ann"))  # type: ignore[arg-type]
    row = after(found).table("positions")["X/ann"]
    assert isinstance(row, Position)
    return row


def test_a_position_is_kept_at_average_cost() -> None:
    row = _position((10, 100), (10, 110), (-5, 120))
    assert (row.quantity, row.cost, row.realised) == (15, 1575, 75)


def test_a_short_position_gains_when_the_price_falls() -> None:
    row = _position((-10, 100), (4, 90))
    assert (row.quantity, row.cost, row.realised) == (-6, -600, 40)


def test_a_position_that_turns_round_is_closed_first() -> None:
    row = _position((10, 100), (-15, 110))
    assert (row.quantity, row.cost, row.realised) == (-5, -550, 100)


def test_a_cost_that_does_not_divide_is_rounded_down_and_nothing_is_lost() -> None:
    row = _position((1, 100), (2, 101), (-1, 100), (-2, 100))
    assert (row.quantity, row.cost, row.realised) == (0, 0, -2)
    row = _position((1, 100), (2, 101), (-1, 100))
    assert (row.cost, row.realised) == (202, 0)


def test_an_event_of_an_instrument_never_listed_holds_its_key_and_so_does_a_second_listing() -> None:
    [fill] = [
        each
        for _, each in world(limit("a", "sell", 1), market("b", "buy")).happened
        if isinstance(each, OrderFilled) and each.role == "taker"
    ]
    assert "LookupError" in given(DOMAIN, on(X, fill)).held[X]
    once = InstrumentListed(instrument_id=X, currency="USD", decimals=2, at=NOON)
    assert given(DOMAIN, on(X, once, once)).held == {X: "ValueError: X was listed twice"}
