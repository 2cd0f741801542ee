"""Folds a recorded history anew, without Faust: the same folds, the same bytes, partition by partition."""

from streams.replay.kafka import KafkaSource, Trimmed
from streams.replay.partition import Replayed, fold_partition
from streams.replay.pool import Progress, Task, replay
from streams.replay.source import Skips, Source

__all__ = [
    "KafkaSource",
    "Progress",
    "Replayed",
    "Skips",
    "Source",
    "Task",
    "Trimmed",
    "fold_partition",
    "replay",
]
