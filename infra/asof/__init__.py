"""Read models as of a position or an instant: a refold of exactly the events up to it, kept as a cache."""

from infra.asof.past import AsOf

__all__ = ["AsOf"]
