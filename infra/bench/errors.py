"""What ends a benchmark with a sentence."""

from schemas import HeadraceError


class BenchError(HeadraceError):
    """The benchmark cannot be run here, or what it ran did not do its work."""
