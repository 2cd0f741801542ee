"""The position that a caller means: a number, or the last event that was appended by an instant."""

from datetime import datetime

from infra.history import recorded
from infra.stack import Addresses
from producers.history import WholeHistory
from producers.history.settling import Settling
from schemas import Domain, Fatal, Gone, Invalid
from sinks.query.past import Moment

_SETTLE_SECONDS = 2.0


class Moments:
    """Finds moments of one domain. Not for several threads. Raises Unavailable when Postgres does not answer."""

    def __init__(self, domain: Domain, at: Addresses, archive: str) -> None:
        self._domain, self._history = domain, WholeHistory(at.postgres, domain)
        self._recorded, self._settling = recorded(domain, at, archive), Settling(at.postgres)

    def close(self) -> None:
        """Close the connections."""
        self._history.close()
        self._settling.close()

    def of(self, asked: str) -> Moment:
        """The moment. Raises Invalid for one that is malformed or not reached, Gone when it is not kept."""
        position = self._position(asked)
        head = self._history.head()
        if position > head:
            raise Invalid(
                f"{self._domain.name} has not reached position {position}: its last event is {head}",
                rule="not-reached",
                field="as_of",
            )
        if position == 0:
            return Moment(0, None, head)
        try:
            return Moment(position, self._recorded.mark(position).time, head)
        except Fatal as error:
            raise not_kept(self._domain, position, error) from error

    def _position(self, asked: str) -> int:
        if asked.isascii() and asked.isdecimal() and len(asked) < 20:
            return int(asked)
        try:
            instant = datetime.fromisoformat(asked)
            known = instant.tzinfo is not None and "T" in asked.upper()
        except ValueError:
            known = False
        if not known:
            raise Invalid(
                f"as_of must be a position, as 1234, or an instant with its offset, as 2026-01-31T12:00:00Z "
                f"(write + as %2B), not {asked[:100]!r}",
                rule="invalid-parameter",
                field="as_of",
            )
        self._settling.settle(instant, _SETTLE_SECONDS)
        try:
            return self._recorded.position_at(instant)
        except Fatal as error:
            raise Gone(
                f"which position {self._domain.name} had at {instant.isoformat()} is not known any more, so ask for a "
                f"position: {error.detail}",
                rule="not-kept",
                field="as_of",
            ) from error


def not_kept(domain: Domain, position: int, error: Fatal) -> Gone:
    """That the events up to a position are not all there any more."""
    return Gone(f"{domain.name} cannot be told as of position {position}: {error.detail}", rule="not-kept")
