"""A consistency run on a stack of its own: `python -m tests.consistency --minutes 10 --seed N`; exit code 1 if red."""

import secrets
import sys
import tempfile
import time
from pathlib import Path

import click

from infra import stack, topics
from schemas import discover
from tests.consistency.run import run

_SHOWN = 20


@click.command()
@click.option("--minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True)
@click.option("--seed", type=int, default=None, help="The same seed makes the same load and picks the same faults.")
@click.option("--rate", type=click.FloatRange(1), default=2_000.0, show_default=True, help="Events a second.")
@click.option("--fault", default="", help="Start the workers with a fault, to see the run fail: `loose=`.")
def main(minutes: float, seed: int | None, rate: float, fault: str) -> None:
    """Kill, pause, add and remove workers, kill the broker and throw bad records at random, then compare every key."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    began = time.monotonic()

    def say(sentence: str) -> None:
        click.echo(f"{time.monotonic() - began:6.1f} s  {sentence}")

    with tempfile.TemporaryDirectory(prefix="headrace-consistency-") as place:
        home = Path(place)
        domain = discover("consistency")["orders"]
        try:
            say(f"seed {seed}; starting the servers")
            kafka = stack.up(home).kafka
            topics.declare(kafka, [domain])
            result = run(home, kafka, domain, seed=seed, seconds=60 * minutes, rate=rate, fault=fault, say=say)
        finally:
            stack.down(home)
    say(
        f"seed {seed}: {result.rounds} rounds ({', '.join(f'{n} {name}' for name, n in result.faults.most_common())}), "
        f"{result.events:,} events, {result.keys:,} keys compared, {result.at_points} deaths and stops within a chunk, "
        f"{result.ended} workers ended by themselves: "
        + (f"{len(result.wrong)} differences" if result.wrong else "every key is exact")
    )
    for sentence in result.wrong[:_SHOWN]:
        click.echo(sentence)
    sys.exit(1 if result.wrong else 0)


if __name__ == "__main__":
    main()
