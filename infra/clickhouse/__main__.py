"""Runs the server: `python -m infra.clickhouse --data DIR --port N --users FILE`."""

import logging
import signal
import sys
from pathlib import Path

import click

from infra.clickhouse.access import Users
from infra.clickhouse.engine import Engine
from infra.clickhouse.server import Server
from schemas import HeadraceError


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Data directory; made when missing.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, required=True, help="Port to listen on; 0 takes any free one.")
@click.option("--users", type=click.Path(path_type=Path), required=True, help="JSON file of writer and reader.")
def main(data: Path, host: str, port: int, users: Path) -> None:
    """Serve the ClickHouse engine over ClickHouse's native protocol."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        engine = Engine(data)
        server = Server(engine, Users(users), host, port)
    except HeadraceError as error:
        click.echo(f"clickhouse: {error.detail}", err=True)
        sys.exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    click.echo(f"ready on {host}:{server.port}")
    server.serve()
    engine.close()


if __name__ == "__main__":
    main()
