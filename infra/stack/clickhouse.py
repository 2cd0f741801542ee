"""ClickHouse on this machine: our native-protocol endpoint over the embedded engine, `infra.clickhouse`."""

import sys
from collections.abc import Callable
from urllib.parse import quote

from infra.stack.errors import StackError
from infra.stack.layout import Layout, write_private
from infra.stack.ports import HOST
from infra.stack.program import Program

PORTS = ("clickhouse",)
_USERS = ("writer", "reader")


def prepare(layout: Layout, ports: dict[str, int], say: Callable[[str], None]) -> tuple[Program, dict[str, str]]:
    """Make the users file; answer the program and the URLs of the writer and the reader."""
    data, users, port = layout.data / "clickhouse", layout.run / "clickhouse-users.json", ports["clickhouse"]
    if not data.exists():
        say("clickhouse: making its data directory")
        data.mkdir()
    passwords = {name: layout.password(f"clickhouse-{name}") for name in _USERS}
    write_private(users, {name: {"name": name, "password": password} for name, password in passwords.items()})
    options = ["--data", str(data), "--host", HOST, "--port", str(port), "--users", str(users)]
    program = Program(
        name="clickhouse",
        command=[sys.executable, "-m", "infra.clickhouse", *options],
        environment={"TZ": "UTC"},  # the engine takes its time zone from the process
        stop_seconds=30,
        rank=10,
    )
    writer, reader = (
        f"clickhouse://{name}:{quote(password, safe='')}@{HOST}:{port}/" for name, password in passwords.items()
    )
    return program, {"clickhouse": writer, "clickhouse_reader": reader}


def check(address: str) -> None:
    """Raise StackError unless ClickHouse at the URL answers a query."""
    from clickhouse_driver import Client
    from clickhouse_driver.errors import Error

    client = Client.from_url(address)
    client.connection.connect_timeout = 3
    client.connection.send_receive_timeout = 10
    try:
        client.execute("SELECT 1")
    except (Error, OSError, EOFError) as error:
        raise StackError(f"ClickHouse does not answer: {' '.join(str(error).split())}") from error
    finally:
        client.disconnect()
