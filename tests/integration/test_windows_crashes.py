"""Workers that are killed while windows open and close leave the tables of a history that was folded in one piece."""

import subprocess
import sys
from pathlib import Path
from random import Random

from infra import topics
from streams.kit import given, worked
from streams.kit.live import publish
from streams.kit.memory import control, event
from tests.architecture.source import ROOT
from tests.integration.test_fold_kit import readings
from tests.meters import FOLDS, meters

POINTS = ["fold.produced:2", "fold.committed:3", "fold.produced:4", "fold.recovered"]


def test_killed_at_every_step_of_closing_windows_the_tables_are_the_same_bytes(
    kafka: str, namespace: str, tmp_path: Path
) -> None:
    domain = meters(namespace, partitions=2)
    topics.declare(kafka, [domain])
    history = given(domain, *readings(Random(7), 400), folds=FOLDS)
    size = len(history.events) // len(POINTS)
    for number, point in enumerate(POINTS):
        part = history.events[number * size : (number + 1) * size]
        publish(history, kafka, [event(envelope) for envelope in part], control(part[-1]))
        process = subprocess.run(
            [sys.executable, "-m", "tests.integration.windows_process", kafka, namespace, str(tmp_path), point],
            cwd=ROOT,
            timeout=60,
            capture_output=True,
        )
        assert process.returncode == -9, process.stderr.decode()
    rest = history.events[len(POINTS) * size :] or history.events[-1:]
    publish(history, kafka, [event(envelope) for envelope in rest], control(rest[-1]))
    assert worked(history, kafka, tmp_path, rest[-1].position) == history.folded()
