"""The Kafka intake: commands from a topic, answered on another, each once."""

from producers.intake.run import run_intake
from producers.intake.term import Servers

__all__ = ["Servers", "run_intake"]
