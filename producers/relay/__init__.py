"""The relay: publishes stored events to Kafka, exactly once and in the order of their positions."""

from producers.relay.run import run_relay

__all__ = ["run_relay"]
