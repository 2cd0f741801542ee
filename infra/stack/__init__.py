"""The embedded stack: Kafka, PostgreSQL and ClickHouse on this machine, and the pipeline's processes.

Each is a process of its own under supervisord, with data, logs and addresses below one data home.
"""

from infra.stack.addresses import Addresses
from infra.stack.errors import StackError
from infra.stack.logs import follow, last_lines, log_files
from infra.stack.program import Program
from infra.stack.stack import down, programs, restart, run, running, start, stop, up
from infra.stack.status import Part, status

__all__ = [
    "Addresses",
    "Part",
    "Program",
    "StackError",
    "down",
    "follow",
    "last_lines",
    "log_files",
    "programs",
    "restart",
    "run",
    "running",
    "start",
    "status",
    "stop",
    "up",
]
