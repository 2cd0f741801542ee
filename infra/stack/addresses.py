"""Where the servers are, for all processes of this machine."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.stack.layout import write_private


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the servers listen: bootstrap servers of Kafka, URLs with user and password of the others."""

    kafka: str = ""
    postgres: str = ""
    clickhouse: str = ""
    clickhouse_reader: str = ""

    def write(self, home: Path) -> None:
        """Write them to `addresses.json` in the data home, readable to its owner alone."""
        write_private(home / "addresses.json", asdict(self))

    @classmethod
    def read(cls, home: Path) -> "Addresses | None":
        """The addresses of the stack that was started last in the data home."""
        path = home / "addresses.json"
        return cls(**json.loads(path.read_text())) if path.exists() else None
