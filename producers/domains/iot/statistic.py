"""The streaming statistic that marks anomalies: a moving mean and a moving mean deviation, in whole thousandths.

It is the estimator that TCP uses for round-trip times (Jacobson, 1988), in integers, so that the same readings give the
same marks on every machine. What is far off moves it only as far as the limit: an outlier does not hide the next one.
"""

from msgspec import Struct

WARM_UP = 24  # readings before anything is marked
LIMIT = 6  # deviations
_MEAN, _DEVIATION = 4, 32  # each reading moves the mean by a quarter, the deviation by a 32nd


class Statistic(Struct, frozen=True, gc=False):
    """Mean and deviation of the readings so far; `least` is the smallest deviation that is reckoned with."""

    mean: int
    deviation: int
    readings: int
    least: int

    @property
    def warm(self) -> bool:
        """Whether there were readings enough to tell what is usual."""
        return self.readings >= WARM_UP

    @property
    def limit(self) -> int:
        """How far from the mean a value is still usual."""
        return LIMIT * max(self.deviation, self.least)

    def anomalous(self, value: int) -> bool:
        """Whether a value is far from what was to be expected."""
        return self.warm and abs(value - self.mean) > self.limit

    def after(self, value: int) -> "Statistic":
        """The statistic after a value."""
        error = value - self.mean
        if self.warm:
            error = max(-self.limit, min(self.limit, error))
        deviation = self.deviation + (abs(error) - self.deviation) // _DEVIATION
        return Statistic(self.mean + error // _MEAN, max(0, deviation), self.readings + 1, self.least)


def first(value: int, least: int) -> Statistic:
    """The statistic after a first value."""
    return Statistic(value, least, 1, least)
