"""A sensor as far as the rules need it, and how events change it."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from producers.domains.iot.statistic import Statistic, first
from schemas import Event
from schemas.iot import LATENESS, UNITS, Measure, ReadingTaken, SensorInstalled, SensorRetired


class State(Struct, frozen=True):
    """`recent` are the values of the readings that are no more than the lateness behind the newest, `newest`."""

    measure: Measure
    installed_at: datetime
    newest: datetime | None = None
    recent: dict[datetime, int] = {}
    statistic: Statistic | None = None
    retired: bool = False

    @property
    def at(self) -> datetime:
        """When the newest reading was made, or the sensor was installed."""
        return self.newest or self.installed_at


def evolve(state: State | None, event: Event) -> State | None:
    """The sensor after an event."""
    match event:
        case SensorInstalled():
            return State(event.measure, event.at)
        case ReadingTaken() if state is not None:
            return _taken(state, event)
        case SensorRetired() if state is not None:
            return replace(state, retired=True)
    return state


def _taken(state: State, event: ReadingTaken) -> State:
    if state.newest is not None and event.at < state.newest:
        return replace(state, recent={**state.recent, event.at: event.value})
    horizon = event.at - LATENESS
    recent = {at: value for at, value in state.recent.items() if at >= horizon}
    recent[event.at] = event.value
    known = state.statistic
    statistic = known.after(event.value) if known else first(event.value, UNITS[state.measure].width)
    return replace(state, newest=event.at, recent=recent, statistic=statistic)
