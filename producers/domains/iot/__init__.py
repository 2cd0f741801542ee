"""Sensors: what a command leads to."""

from producers.decider import Decider
from producers.domains.iot.rules import decide
from producers.domains.iot.sensor import State, evolve

DECIDER = Decider(decide, evolve, state=State)
