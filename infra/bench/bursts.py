"""Runs in which everything is sent at once and awaited: as much as takes the time that is asked for."""

from abc import ABC, abstractmethod

from infra.bench.frame import Sample

LEAST = 200
_ATTEMPTS = 8


class Bursts(ABC):
    """A runner that sends what the rate of its last burst lets expect to take so long.

    A burst that ended in less than half of the time is run again, larger: of a short one most is its start, and the
    rates of short and long ones are not to be compared.
    """

    def __init__(self) -> None:
        self._rate = 0.0

    def run(self, seconds: float) -> Sample:
        """One burst of about so many seconds."""
        for _ in range(_ATTEMPTS):
            sample = self.measure(max(int(self._rate * seconds), LEAST))
            self._rate = sample.rate
            if sample.seconds >= seconds / 2:
                break
        return sample

    @abstractmethod
    def measure(self, count: int) -> Sample:
        """Send so many, and wait for all answers."""
