"""The club with its pipeline, and the files of its servers, in which what was said in private may be searched for."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import clickhouse_driver
import confluent_kafka
import httpx
import psycopg2
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from infra.stack import Addresses
from tests.members.planted import plant
from tests.pipeline import BROKER_SECONDS, Pipeline

# No compression finds anything in these, nor do they stand anywhere else.
ADA, ADAS_MAIL = "Qz7Wk0VtAda", "x9Jp4Lada@mail.example"
EVE = "Hb3Rm6TyEve"


class Club:
    """The pipeline of the club, and the files of its servers."""

    def __init__(self, pipeline: Pipeline, addresses: Addresses) -> None:
        self.pipeline, self.addresses = pipeline, addresses
        self.began = time.time() - 60  # before the pipeline, and whatever the clock of the file system does
        self.database = f"{pipeline.namespace}_club_v1"

    def post(self, path: str, **command: str) -> httpx.Response:
        return httpx.post(f"{self.pipeline.url}/api/club/{path}", json=command, timeout=30)

    def members(self, token: str) -> dict[str, str]:
        """Names by member, once the token is visible."""
        fresh = {"consistency": "token", "token": token, "timeout": "20"}
        answer = httpx.get(f"{self.pipeline.url}/api/club/queries/members", params=fresh, timeout=30)
        return {row["member_id"]: row["name"] for row in answer.json()["data"]}

    def members_as_of(self, token: str) -> list[str | None]:
        """The name of m-1 as of the token's position: in a list, by a named query, and alone."""
        asked = {"as_of": token.partition(":")[2], "timeout": "30"}
        paths = ("aggregates/members", "queries/members", "aggregates/members/m-1")
        found = [httpx.get(f"{self.pipeline.url}/api/club/{path}", params=asked, timeout=60).json() for path in paths]
        [listed, named, one] = [each["data"] for each in found]
        return [next(row["name"] for row in rows if row["member_id"] == "m-1") for rows in (listed, named, [one])]

    def erase(self, *more: str) -> "subprocess.CompletedProcess[str]":
        return self.pipeline.run("erase", "club", *more)

    def clickhouse(self, statement: str) -> list[tuple[object, ...]]:
        client = clickhouse_driver.Client.from_url(self.addresses.clickhouse)
        try:
            return list(client.execute(statement))
        finally:
            client.disconnect()

    def homes(self) -> dict[str, Path]:
        """Where each server keeps its files."""
        with psycopg2.connect(self.addresses.postgres) as connection, connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")
            cursor.execute("SHOW data_directory")
            [(postgres,)] = cursor.fetchall()
        connection.close()
        admin = AdminClient({"bootstrap.servers": self.addresses.kafka})
        [broker] = admin.list_topics(timeout=10).brokers
        [found] = admin.describe_configs([ConfigResource(ResourceType.BROKER, str(broker))]).values()
        kafka = found.result(10)
        logs = kafka["log.dirs"].value or kafka["log.dir"].value
        [(path,)] = self.clickhouse("SELECT path FROM system.disks WHERE name = 'default'")
        return {"postgres": Path(postgres), "kafka": Path(logs), "clickhouse": Path(str(path))}

    def files_with(self, *texts: str) -> dict[str, list[str]]:
        """The files of each server that hold one of the texts, of all that were written since the test began."""
        return {
            name: list(self._searched(home, [text.encode() for text in texts])) for name, home in self.homes().items()
        }

    def _searched(self, home: Path, texts: list[bytes]) -> Iterator[str]:
        assert home.is_dir(), home
        for folder, _, files in os.walk(home):
            for file in files:
                path = Path(folder) / file
                with suppress(FileNotFoundError):  # what is removed meanwhile
                    content = path.read_bytes() if path.stat().st_mtime >= self.began else b""
                    if any(text in content for text in texts):
                        yield str(path.relative_to(home))

    def records(self) -> Iterator[bytes]:
        """Keys, values and headers of all records on the club's topics, unpacked."""
        settings = {"bootstrap.servers": self.addresses.kafka, "group.id": "search", "enable.partition.eof": True}
        consumer = confluent_kafka.Consumer(settings)
        topics = consumer.list_topics(timeout=10).topics
        ours = [topic for topic in topics if topic.startswith(f"{self.pipeline.namespace}.club.")]
        parts = [confluent_kafka.TopicPartition(t, p, 0) for t in ours for p in topics[t].partitions]
        consumer.assign(parts)
        ended = 0
        while ended < len(parts):
            message = consumer.poll(BROKER_SECONDS)
            assert message is not None
            if message.error():
                ended += 1
            else:
                yield b"".join([message.key() or b"", message.value() or b"", str(message.headers()).encode()])
        consumer.close()


@contextmanager
def running_club(addresses: Addresses, namespace: str, home: Path) -> Iterator[Club]:
    """The club, running; ended afterwards."""
    pipeline = Pipeline(addresses, namespace, home, tree=plant(home / "tree"), domain="club")
    pipeline.prepare()
    pipeline.start("relay", "worker", "sink", "api")
    try:
        yield Club(pipeline, addresses)
    finally:
        pipeline.stop()
