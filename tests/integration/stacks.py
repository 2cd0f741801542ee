"""Looks into a stack and its servers, for the tests of the embedded stack."""

import sys
from pathlib import Path

import psutil
import psycopg2
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from infra import stack
from tests.pipeline import until

SLEEPER = [sys.executable, "-c", "import time; print('awake', flush=True); time.sleep(600)"]


def pids(home: Path) -> dict[str, int]:
    return {part.name: part.pid for part in stack.status(home)}


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def write(kafka: str, topic: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    producer = writer(kafka, topic)
    producer.begin_transaction()
    producer.produce(topic, value)
    producer.commit_transaction(20)


def writer(kafka: str, topic: str) -> Producer:
    """The transactional producer of a topic. That it comes back settles what a killed broker left open: a broker that
    dies within milliseconds of a commit may not have written the commit's marker, and does not do it by itself.
    """
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(20)
    return producer


def values(kafka: str, topic: str) -> list[bytes]:
    """What can be read of a topic with one record; a broker that has just come back may answer with errors first."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return until(lambda: [v for m in consumer.consume(1, timeout=1) if isinstance(v := m.value(), bytes)], 40)
    finally:
        consumer.close()


def supervisor(home: Path) -> psutil.Process:
    return psutil.Process(int((home / "run" / "supervisord.pid").read_text()))
