"""The engine of a process manager: one row a correlation key, commands beside the rows, deadlines in event time."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas import Control
from streams.changes import Changes, Record
from streams.deadlines import Deadlines
from streams.process_past import Past
from streams.process_rows import PROGRESS_KEY, ProcessRow, Progress, progress_decoder, row_decoder
from streams.process_run import ProcessRun
from streams.wiring import Wired


class ProcessEngine:
    """Begins the work of a process on partitions. `past` answers for a partition, see `Pasts.of`."""

    def __init__(self, wired: Wired, past: Callable[[int, dict[str, int] | None], Past]) -> None:
        self._wired, self._past = wired, past
        self._decoder = row_decoder(wired.process.state)

    def begin(self, number: int, rows: Sequence[Mapping[bytes, bytes]], mark: Control | None) -> "ProcessWork":  # noqa: ARG002  # the rows say more
        """The work on the partition `number` with these rows."""
        [table] = rows
        stored = table.get(PROGRESS_KEY)
        progress = None if stored is None else progress_decoder.decode(stored)
        past = self._past(number, None if progress is None else progress.fired)
        if progress is None:
            progress = Progress(fired=past.fired, unfired=sorted(key.decode() for key in past.held))
        deadlines = Deadlines(
            (instant, key, name)
            for key, value in table.items()
            if key != PROGRESS_KEY
            for name, instant in self._decoder.decode(value).deadlines.items()
        )
        return ProcessWork(self._wired, self._decoder, progress, deadlines, past)

    def refold(self, key: bytes, request: str) -> None:
        """A held process stays held: its inputs are not in one order anywhere from which it could be made anew."""


@dataclass
class ProcessWork:
    """The process managers of one partition."""

    wired: Wired
    decoder: msgspec.json.Decoder[ProcessRow[Any]]
    progress: Progress
    deadlines: Deadlines
    past: Past

    def run(
        self, topic: str, records: Sequence[Record], rows: Sequence[Mapping[bytes, bytes]], held: Container[bytes]
    ) -> Changes:
        """What a run of records changes and fires.

        Deadlines are taken from the heap at once: a run that is not applied ends the work on the partition.
        """
        run = ProcessRun(
            self.wired, self.decoder, topic, rows[0], held, self.progress, self.deadlines, self.past.silent
        )
        for record in records:
            run.take(record)
        run.finish()
        self.progress = run.progress
        return run.changes

    def apply(self, changes: Changes) -> None:
        """Nothing is left to do: the rows have it all."""
