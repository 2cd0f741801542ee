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
import pytest
from clickhouse_driver.errors import ServerException

from tests.architecture.source import ROOT
from tests.pipeline import until

USERS = {"writer": {"name": "writer", "password": "w"}, "reader": {"name": "reader", "password": "r"}}
ENDLESS = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
DEDUPLICATED = "ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000"
_READY = re.compile(r"ready on 127\.0\.0\.1:(\d+)")


class ClickHouse:
    """A running server process; `stop` or `kill` ends it."""

    def __init__(self, home: Path, port: int = 0) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.data = home / "data"
        self.users = home / "users.json"
        self.users.write_text(json.dumps(USERS))
        self.log = home / "log"
        self.process = start(self.data, self.users, self.log, port)
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

    @property
    def url(self) -> str:
        """Where the writer logs in."""
        return f"clickhouse://writer:{USERS['writer']['password']}@127.0.0.1:{self.port}/"

    def spooled(self) -> list[str]:
        return [entry.name for entry in (self.data / "spool").iterdir()]

    def connections(self) -> int:
        """Connections of clients that the server has open."""
        found = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(1 for one in found if one.status != psutil.CONN_LISTEN)

    def threads(self) -> int:
        """Threads of the server, the engine's own too."""
        return psutil.Process(self.process.pid).num_threads()

    def stop(self) -> int:
        """End it in order; its exit code."""
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


def start(data: Path, users: Path, log: Path, port: int = 0) -> "subprocess.Popen[bytes]":
    """A server process whose output goes to the file `log`; it may not be ready yet."""
    command = [
        sys.executable,
        "-m",
        "infra.clickhouse",
        "--data",
        str(data),
        "--port",
        str(port),
        "--users",
        str(users),
    ]
    with log.open("wb") as out:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)


def count(client: Any, table: str) -> tuple[int, int]:
    """Rows and sum of column a."""
    ((rows, total),) = client.execute(f"SELECT count(), sum(a) FROM {table}")
    return rows, total


def error_code(client: Any, query: str, **more: Any) -> int:
    """Code of the error of a query."""
    with pytest.raises(ServerException) as raised:
        client.execute(query, **more)
    return int(raised.value.code)


def running(server: ClickHouse, part: str) -> int:
    """Running queries whose text has `part`, without the one that asks."""
    asking = server.client()
    query = "SELECT count() FROM system.processes WHERE position(query, %(p)s) > 0 AND position(query, 'processes') = 0"
    ((found,),) = asking.execute(query, {"p": part})
    asking.disconnect()
    return int(found)
