"""The workers of the run, and what is done to them."""

import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from schemas import Domain
from tests.integration.worker_process import Worker

MOST = 4
# Where a worker dies or stops by itself, at one of its first few chunks.
POINTS = ("fold.recovered", "fold.read", "fold.folded", "fold.produced", "fold.committed")
FEW = 10
PAST_THE_SESSION = (11.0, 15.0)  # seconds; a session has 10
# What a worker may end with: another has taken over while it was away, or the broker was away for long.
EXPECTED = (
    "was taken over by another worker",
    "Kafka",
    "was lost",
    "reading the events failed",
    "did not stop in order",
)


@dataclass(eq=False)
class Hand:
    """One worker; `until` is when it is thawed, if it is stopped."""

    worker: Worker
    until: float = 0.0


@dataclass
class Crew:
    """Keeps workers running as a supervisor does: one that ended by itself is started again.

    `ended` counts those, `at_points` those that died or stopped at a point, `unexpected` tells of ends that say nothing
    known.
    """

    kafka: str
    domain: Domain
    home: Path
    fault: str = ""
    ended: int = 0
    at_points: int = 0
    unexpected: list[str] = field(default_factory=list)
    _hands: list[Hand] = field(default_factory=list)
    _made: int = 0

    @property
    def logs(self) -> list[Path]:
        """The logs of the workers that there are."""
        return [hand.worker.log_file for hand in self._hands]

    def add(self) -> None:
        self._made += 1
        worker = Worker(self.kafka, self.domain, self.home, f"worker-{self._made}")
        self._hands.append(Hand(worker.start(self.fault)))

    def tend(self) -> None:
        """Thaw those whose time has come, start those again that have ended by themselves."""
        for hand in self._hands:
            if hand.until and time.monotonic() > hand.until:
                hand.until = 0.0
                hand.worker.thaw()
            elif not hand.until and hand.worker.frozen:
                self.at_points += 1
                hand.until = time.monotonic() + PAST_THE_SESSION[1]
            if hand.worker.process.poll() == -signal.SIGKILL:
                self.at_points += 1
                hand.worker.start(self.fault)
            elif hand.worker.process.poll() is not None:
                self.ended += 1
                end = hand.worker.log[-8_000:]  # threads that are cut off may have the last word
                if "unexpected error" in end or not any(known in end for known in EXPECTED):
                    self.unexpected.append(f"{hand.worker.name} ended with {hand.worker.process.poll()}:\n{end}")
                hand.worker.start(self.fault)

    def kill(self, chance: random.Random) -> None:
        """SIGKILL, and a new start at once, often of one that will die in the midst of a chunk."""
        self._restart(chance, chance.choice(["", "", *POINTS]))

    def pause(self, chance: random.Random) -> None:
        """SIGSTOP until long after the session has ended; often in the midst of a chunk."""
        point = chance.choice(["", "", "", *POINTS])
        if point:
            self._restart(chance, f"freeze={point}")
            return
        hand = self._any(chance)
        hand.worker.freeze()
        hand.until = time.monotonic() + chance.uniform(*PAST_THE_SESSION)

    def _restart(self, chance: random.Random, point: str) -> None:
        hand = self._any(chance)
        hand.worker.kill()
        hand.until = 0.0
        turn = 1 if point.endswith("recovered") else chance.randint(1, FEW)
        hand.worker.start(self.fault or (f"{point}:{turn}" if point else ""))

    def grow_or_shrink(self, chance: random.Random) -> None:
        """One more worker, or one less (killed, or stopped in order) when there are many."""
        if len(self._hands) < MOST and (len(self._hands) < 2 or chance.random() < 0.6):
            self.add()
            return
        hand = self._any(chance)
        self._hands.remove(hand)
        if hand.until or chance.random() < 0.5:
            hand.worker.kill()
        else:
            try:
                hand.worker.stop()
            except AssertionError as error:
                self.unexpected.append(str(error))
                hand.worker.kill()

    def thaw_all(self) -> None:
        for hand in self._hands:
            if hand.until:
                hand.until = 0.0
                hand.worker.thaw()

    def end(self) -> None:
        for hand in self._hands:
            hand.worker.kill()

    def _any(self, chance: random.Random) -> Hand:
        awake = [hand for hand in self._hands if not hand.until]
        return chance.choice(awake or self._hands)
