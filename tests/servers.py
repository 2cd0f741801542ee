"""The servers that the tests use: given ones, containers, or the embedded stack."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import clickhouse_driver

from infra import stack
from infra.config import read
from infra.pipeline import given
from infra.stack import Addresses

IMAGES = {
    "kafka": "confluentinc/cp-kafka:8.0.0",
    "postgres": "postgres:18",
    "clickhouse": "clickhouse/clickhouse-server:26.9",
}


def images_are_there() -> bool:
    """Whether a Docker engine answers and has the images; the tests never pull any."""
    if shutil.which("docker") is None:
        return False
    command = ["docker", "image", "inspect", *IMAGES.values()]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


@contextmanager
def servers(home: Path) -> Iterator[Addresses]:
    """Addresses of three running servers: from the environment, else of containers, else embedded in `home`."""
    named = given(read())
    if named.kafka and named.postgres and named.clickhouse:
        yield named
    elif images_are_there():
        with _containers() as started:
            yield started
    else:
        try:
            yield stack.up(home, given=named)
        finally:
            stack.down(home)


@contextmanager
def _containers() -> Iterator[Addresses]:
    from testcontainers.community.clickhouse import ClickHouseContainer
    from testcontainers.community.kafka import KafkaContainer
    from testcontainers.community.postgres import PostgresContainer

    with ExitStack() as running:
        postgres = running.enter_context(PostgresContainer(IMAGES["postgres"], driver=None))
        kafka = running.enter_context(KafkaContainer(IMAGES["kafka"]).with_kraft())
        clickhouse = running.enter_context(
            ClickHouseContainer(IMAGES["clickhouse"], username="writer", password="writer").with_env(
                "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT", "1"
            )
        )
        host = f"{clickhouse.get_container_host_ip()}:{clickhouse.get_exposed_port(9000)}"
        writer = clickhouse_driver.Client.from_url(f"clickhouse://writer:writer@{host}/")
        writer.execute("CREATE USER reader IDENTIFIED BY 'reader' SETTINGS readonly = 2")
        writer.execute("GRANT SELECT, SHOW ON *.* TO reader")
        writer.disconnect()
        yield Addresses(
            kafka=kafka.get_bootstrap_server(),
            postgres=postgres.get_connection_url(),
            clickhouse=f"clickhouse://writer:writer@{host}/",
            clickhouse_reader=f"clickhouse://reader:reader@{host}/",
        )
