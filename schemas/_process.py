"""The durable names of a process manager; like those of domains they come from nowhere else."""

import hashlib
import re
from dataclasses import dataclass

from schemas._envelope import PROCESS_PREFIX

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}\Z")


@dataclass(frozen=True, kw_only=True)
class ProcessNames:
    """Names of all that is kept for the version `version` of the process `name` in a namespace.

    The ids of its commands have no version: a later version that decides as the one before fires nothing twice.
    """

    name: str
    version: int = 1
    namespace: str = ""

    def __post_init__(self) -> None:
        if not _NAME.match(self.name):
            raise ValueError(f"{self.name!r} is no name for a process: use a-z, 0-9 and _")
        if self.version < 1:
            raise ValueError(f"the version of the process {self.name} must be 1 or more")

    def _topic(self, suffix: str) -> str:
        return f"{self.namespace + '.' if self.namespace else ''}process.{self.name}.{suffix}"

    @property
    def key(self) -> str:
        """The process in logs."""
        return self._topic(f"v{self.version}")

    @property
    def app(self) -> str:
        """Faust app id and consumer group."""
        return f"headrace.{self.key}"

    def transactional_id(self, partition: int) -> str:
        return f"{self.app}.{partition}"

    @property
    def state_topic(self) -> str:
        """Compacted: where each process stands, by its correlation key."""
        return self._topic(f"state.v{self.version}")

    @property
    def held_topic(self) -> str:
        return self._topic(f"held.v{self.version}")

    @property
    def dead_letters_topic(self) -> str:
        return self._topic(f"dead_letters.v{self.version}")

    @property
    def id_prefix(self) -> str:
        """How the ids of all its commands begin."""
        return f"{PROCESS_PREFIX}{self.name}:"

    def command_id(self, cause: str, index: int) -> str:
        """Id of the `index`-th command (from 0) that `cause` led to: the same whenever it leads to it again."""
        return f"{self.id_prefix}{hashlib.sha256(cause.encode()).hexdigest()[:40]}:{index}"
