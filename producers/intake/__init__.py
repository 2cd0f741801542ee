"""The Kafka intake: commands from a topic, answered on another, each once."""

from producers.intake.run import run_intake

__all__ = ["run_intake"]
