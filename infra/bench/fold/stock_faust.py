"""The peer stock Faust: an ordinary agent and table, with the settings that are best for speed."""

import logging
from decimal import Decimal
from typing import Any

import faust
import msgspec

from infra.bench.fold.contestants import Contestant, Contestants, read_json
from infra.bench.fold.domain import PARTITIONS, PLACED
from infra.bench.place import Place

_TABLE = "orders"


def stock_faust(place: Place, topic: str) -> Contestants:
    """Stock Faust, which promises no more than that each event is folded at least once."""

    def new(number: int) -> Contestant:
        name = f"{place.settings.namespace}.faust.{number}"
        changelog = f"{name}-{_TABLE}-changelog"
        return Contestant(
            group=name,
            changelog=changelog,
            topics=(changelog, f"{name}-__assignor-__leader"),
            processes=(("faust", name, topic),),
            read=read_json,
            exact=False,
        )

    return new


def run(name: str, topic: str, kafka: str) -> None:
    """Fold the topic until SIGTERM, as the consumer group `name`."""
    app = faust.App(
        name,
        broker=[f"aiokafka://{server}" for server in kafka.split(",")],
        store="memory://",
        web_enabled=False,
        topic_partitions=PARTITIONS,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_max_poll_records=5_000,
        stream_buffer_maxsize=65_536,
        producer_compression_type="lz4",
        table_standby_replicas=0,
    )
    events = app.topic(topic, key_serializer="raw", value_serializer="raw")
    table = app.Table(_TABLE, partitions=PARTITIONS, key_type=bytes, value_type=bytes)
    decode, encode = msgspec.json.decode, msgspec.json.encode

    @app.agent(events)
    async def fold(stream: Any) -> None:
        async for record in stream.events():
            row: dict[str, Any]
            event, stored = decode(record.value), table.get(record.key)
            row = {"version": 0, "amount": "0"} if stored is None else decode(stored)
            if event["sequence"] > row["version"]:
                row["version"], row["status"] = event["sequence"], event["type"]
                if event["type"] == PLACED:
                    row["amount"] = str(Decimal(row["amount"]) + Decimal(event["data"]["amount"]))
                table[record.key] = encode(row)

    faust.Worker(app, loglevel=logging.WARNING).execute_from_commandline()
