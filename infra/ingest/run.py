"""Ingests a file through the bulk route of the running API.

Over HTTP, since reading and converting then run beside deciding and storing, the file waits its turn like every other
client, and nothing but the API's address is needed.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from infra.demo.feed import Result, feed
from infra.ingest.lines import Lines
from infra.ingest.source import Item, Source
from infra.ingest.state import Journal, State
from producers.http.problems import problem
from schemas import Fatal, HeadraceError, Unavailable, encode

_CHUNK_LINES = 500
_CHUNK_BYTES = 250_000
_SAVE_SECONDS = 0.5
_UNAVAILABLE = (429, 503)


@dataclass
class Ingestion:
    """One run over one file. `show` gets how far the file is answered (see `Source`) whenever there is news."""

    source: Source
    lines: Lines
    url: str
    journal: Journal
    rejects: Path
    show: Callable[[int], None]
    state: State = field(default_factory=State)

    def __post_init__(self) -> None:
        self._under_way: deque[tuple[Item, bytes | HeadraceError]] = deque()
        self._file: IO[bytes] | None = None
        self._broken: HeadraceError | None = None
        self._saved = time.monotonic()

    def resume(self) -> bool:
        """Go on where the last run was. False when there was none, or the API does not know what that run sent, as
        after a change of the database: then everything is sent."""
        before = self.journal.read()
        if before is None or not before.line or not self._known(before):
            return False
        self.state = before
        return True

    def run(self) -> None:
        """Send what is left. Raises Unavailable or, at a place where the file is broken, Invalid; what was answered
        by then is answered for good, and the next run goes on behind it."""
        try:
            asyncio.run(feed(self.url, self._chunks(), self._take))
            self._settle_own()
            if self._broken is not None:
                raise self._broken
        finally:
            self._save()
            if self._file is not None:
                self._file.close()
        self.journal.end()

    def _known(self, before: State) -> bool:
        if not before.proof:
            return True
        line = next((self.lines.line(item) for item in self.source.items() if item.number == before.proof), None)
        results: list[Result] = []
        if isinstance(line, bytes):
            asyncio.run(feed(self.url, [line + b"\n"], results.extend))
        return any(result.receipt is not None and result.receipt.repeated for result in results)

    def _chunks(self) -> Iterator[bytes]:
        chunk, size = [], 0
        try:
            for item in self.source.items():
                if item.number <= self.state.line:
                    continue
                line = self.lines.line(item)
                self._under_way.append((item, line))
                if isinstance(line, bytes):
                    chunk.append(line)
                    size += len(line)
                if size > _CHUNK_BYTES or len(chunk) >= _CHUNK_LINES:
                    yield b"\n".join(chunk) + b"\n"
                    chunk, size = [], 0
        except HeadraceError as error:
            self._broken = error
        if chunk:
            yield b"\n".join(chunk) + b"\n"

    def _take(self, results: list[Result]) -> None:
        for result in results:
            self._settle_own()
            item, line = self._under_way[0]
            if result.status in _UNAVAILABLE:
                raise Unavailable(f"line {item.number}: {(result.problem or {}).get('detail')}; run it again to go on")
            self._under_way.popleft()
            if result.receipt is None:
                self._refuse(item, result.status, result.problem, line)
            elif result.receipt.repeated:
                self.state.repeated += 1
            else:
                self.state.new += 1
            if result.receipt is not None:
                self.state.proof = item.number
            self.state.line = item.number
            self.show(item.at)
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save()

    def _settle_own(self) -> None:
        """Refuse the next items that were not even sent."""
        while self._under_way and isinstance(error := self._under_way[0][1], HeadraceError):
            item, _ = self._under_way.popleft()
            self._refuse(item, error.status, msgspec.to_builtins(problem(error)), None)
            self.state.line = item.number
            self.show(item.at)

    def _refuse(self, item: Item, status: int, why: object, line: object) -> None:
        if self._file is None:
            self._file = self._open_rejects()
        sent = msgspec.Raw(line) if isinstance(line, bytes) and _is_json(line) else None
        reject = {"line": item.number, "status": status, "problem": why}
        self.state.rejected += self._file.write(encode({**reject, "input": sent} if sent else reject) + b"\n")
        self.state.refused += 1

    def _open_rejects(self) -> IO[bytes]:
        """The file of rejects, behind the last one that the state counts on."""
        try:
            file = self.rejects.open("r+b" if self.state.rejected and self.rejects.exists() else "wb")
        except OSError as error:
            raise Fatal(f"{self.rejects} cannot be written ({error.strerror}); name another with --rejects") from error
        self.state.rejected = min(self.state.rejected, file.seek(0, os.SEEK_END))
        file.truncate(self.state.rejected)
        file.seek(self.state.rejected)
        return file

    def _save(self) -> None:
        """First the rejects, then the state that counts on them."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self.journal.write(self.state)
        self._saved = time.monotonic()


def _is_json(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True
