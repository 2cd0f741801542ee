"""Test kit for folds: given events, then table. In memory, by a real worker, or replayed, it must be the same bytes."""

from streams.kit.history import Given, Tables, given, on, tick
from streams.kit.live import live, replayed, worked

__all__ = ["Given", "Tables", "given", "live", "on", "replayed", "tick", "worked"]
