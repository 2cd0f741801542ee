"""Starts the ClickHouse server as a process of its own, on a free port, with a writer and a reader."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import clickhouse_driver
import psutil

from tests.architecture.source import ROOT
from tests.pipeline import until

USERS = {"writer": {"name": "writer", "password": "w"}, "reader": {"name": "reader", "password": "r"}}
_READY = re.compile(r"ready on 127\.0\.0\.1:(\d+)")


class ClickHouse:
    """A running server process; `stop` or `kill` ends it."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.data = home / "data"
        self.users = home / "users.json"
        self.users.write_text(json.dumps(USERS))
        self.log = home / "log"
        self.process = start(self.data, self.users, self.log)
        until(lambda: self._ready() or self.process.poll() is not None, 60, what="the server is ready")
        match = self._ready()
        assert match, f"the server ended: {self.log.read_text()}"
        self.port = int(match[1])

    def _ready(self) -> re.Match[str] | None:
        return _READY.search(self.log.read_text())

    def client(self, user: str = "writer", **more: Any) -> Any:
        """A client with a connection of its own, logged in as the writer or the reader."""
        password = USERS[user]["password"]
        return clickhouse_driver.Client("127.0.0.1", self.port, user=user, password=password, **more)

    def spooled(self) -> list[str]:
        return [entry.name for entry in (self.data / "spool").iterdir()]

    def connections(self) -> int:
        """Connections of clients that the server has open."""
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(1 for one in found if one.status != psutil.CONN_LISTEN)

    def threads(self) -> int:
        """Threads that serve clients: those that Python started."""
        return psutil.Process(self.process.pid).num_threads()

    def stop(self) -> int:
        """End it in order; its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


def start(data: Path, users: Path, log: Path) -> "subprocess.Popen[bytes]":
    """A server process whose output goes to the file `log`; it may not be ready yet."""
    command = [sys.executable, "-m", "infra.clickhouse", "--data", str(data), "--port", "0", "--users", str(users)]
    with log.open("wb") as out:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
