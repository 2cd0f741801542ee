"""What `headrace rebuild` is asked for, done and said."""

import getpass
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.letters import Answer
from infra.rebuild import surgery
from infra.rebuild.accepting import Accepted, write
from infra.rebuild.planning import plan
from infra.rebuild.rebuilding import Rebuild, in_edition, refuse
from infra.rebuild.removal import drop
from infra.rebuild.showing import Bars, Show, show_builds, show_differences, show_plan
from infra.stack import Addresses
from producers.store.builds import Build, Builds
from schemas import Domain, NotFound, Unavailable


class Interrupts:
    """Ctrl-C interrupts, but for what is `deferred`: that looks whether it `is_set` and ends in order."""

    def __init__(self) -> None:
        self._stopped, self._deferring = threading.Event(), False

    def is_set(self) -> bool:
        """Whether Ctrl-C came while it was deferred."""
        return self._stopped.is_set()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """While this lasts the first Ctrl-C only sets the event. Raises KeyboardInterrupt afterwards."""
        self._deferring = True
        try:
            yield
        except Unavailable as error:
            if error.rule == "given-up" and self.is_set():
                raise KeyboardInterrupt from None
            raise
        finally:
            self._deferring = False

    def interrupt(self, *_: object) -> None:
        """What Ctrl-C calls."""
        if not self._deferring or self._stopped.is_set():
            raise KeyboardInterrupt
        self._stopped.set()


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Ctrl-C by `Interrupts` while this lasts."""
    made = Interrupts()
    before = signal.signal(signal.SIGINT, made.interrupt)
    try:
        yield made
    finally:
        signal.signal(signal.SIGINT, before)


class Asked:
    """Does one of the things that can be asked for. `seconds` is how long it waits for somebody who does not get on.

    Methods raise HeadraceError with a sentence.
    """

    def __init__(
        self, domain: Domain, at: Addresses, builds: Builds, work: Rebuild, show: Show, seconds: float
    ) -> None:
        self._domain, self._at, self._builds, self._work = domain, at, builds, work
        self._show, self._seconds = show, seconds

    def plan(self, processes: int) -> None:
        """Say what a rebuild would take."""
        work = self._work
        with self._show.out.status("folding a sample …"):
            made = plan(work.newest, work.live, work.history(), self._at, processes)
        if self._show.as_json:
            self._show.say(made, "")
        else:
            show_plan(self._show.out, made)

    def status(self) -> None:
        """List the builds."""
        if self._show.as_json:
            for build in self._builds.all():
                self._show.say(build, "")
        else:
            show_builds(self._show.out, self._builds.all(), self._work.running())

    def fold(self, aggregate: str | None, budget: float, processes: int) -> Build:
        """Begin, or go on: until the build is folded and followed."""
        build = self._work.begin(aggregate)
        if build.state == "folding":
            bars = Bars(self._show.out)
            with bars.progress:
                written = self._work.fold(build, budget, bars.folding(build.barrier), processes)
            rows, events = sum(each.rows for each in written), sum(each.events for each in written)
            self._show.say(
                {"folded": build.edition._asdict(), "barrier": build.barrier, "events": events, "rows": rows},
                f"folded {events:,} events up to position {build.barrier:,} into {rows:,} rows",
            )
        return build

    def verify(self, build: Build, accept: tuple[str, ...], file: Path) -> bool:
        """Compare with the live build; whether it can be switched to. Differences are written to `file`."""
        accepted, bars, show = Accepted(accept), Bars(self._show.out), self._show
        with bars.progress:
            verdict = self._work.verify(build, self._seconds, bars.catching_up, show.note)
        counted, found = verdict.counted, verdict.differences
        left = [each for each in found if not accepted.takes(each)]
        numbers = {"rows": counted.rows, "in_flight": counted.in_flight, "differences": len(found), "left": len(left)}
        show.say(
            {"verified": build.edition._asdict(), "position": verdict.position, **numbers},
            f"compared {counted.rows:,} rows up to position {verdict.position:,}, {counted.in_flight:,} of them in "
            f"flight: {len(found):,} differences, {len(found) - len(left):,} of them accepted",
        )
        if found:
            write(file, found)
        refuse(build, found)
        if not left:
            return True
        if show.as_json:
            for each in left:
                show.say(each, "")
        else:
            show_differences(show.out, left)
        show.note(
            f"Nothing was switched. All differences are in {file}. If they are meant, run the same command with "
            f"--accept {file}; --cancel gives the rebuild up."
        )
        return False

    def switch(self, build: Build) -> None:
        """Let the build be queried."""
        self._work.switch(build, getpass.getuser())
        self._show.say(
            {"switched": build.edition._asdict()},
            f"{self._domain.name} is queried from {_named(build)} now; --switch-back undoes it, --drop-old removes the "
            "one before",
        )

    def switch_back(self) -> None:
        """Query the build before again."""
        self.switch(self._work.former())

    def cancel(self) -> None:
        """Remove the rebuild that runs, or what is left of one that was cancelled."""
        running = self._work.running()
        unfinished = [build for build in self._work.kept() if build.state == "dropping"]
        self._drop([*([running] if running else []), *unfinished], "no rebuild runs")

    def drop_old(self) -> None:
        """Remove all builds that are neither live nor being made."""
        self._drop(self._work.kept(), "no build is kept beside the live one")

    def _drop(self, builds: list[Build], none: str) -> None:
        if not builds:
            raise NotFound(f"{self._domain.name}: {none}", rule="no-build")
        for build in builds:  # all at once: their workers end at the same time
            self._builds.move(build.edition, "dropping", "folding", "following", "dropping")
        for build in builds:
            drop(self._builds, in_edition(self._domain, build.edition), build.edition, self._at, self._show.note)
            self._show.say({"dropped": build.edition._asdict()}, f"{_named(build)} of {self._domain.name} is removed")

    def keys(self, streams: tuple[str, ...]) -> bool:
        """Fold the keys of streams anew, in place; whether all could be."""
        return self._refold(surgery.keys_of_streams(self._at.postgres, self._domain, streams))

    def between(self, first: str | None, last: str | None) -> bool:
        """Fold the keys anew that have events between two positions or instants; whether all could be."""
        history = self._work.history()
        return self._refold(surgery.keys_between(history, self._at.postgres, self._domain, first, last))

    def _refold(self, keys: list[str]) -> bool:
        failed: list[str] = []

        def tell(answer: Answer) -> None:
            said = "was folded anew" if answer.released else f"is held: {answer.error}"
            failed.extend([] if answer.released else [answer.key])
            self._show.say(answer, f"{answer.key} {said}")

        left = surgery.refold(self._at, self._work.live, keys, self._seconds, tell)
        if left:
            raise Unavailable(
                f"no answer for {len(left)} of {len(keys)} keys within {self._seconds:g} s, as {left[0]!r}. The "
                "requests stand: a worker does them when it runs and PostgreSQL answers"
            )
        return not failed


def _named(build: Build) -> str:
    return f"build {build.build} of projection {build.projection}"
