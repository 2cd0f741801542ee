"""The peer Quix Streams.

It needs another confluent-kafka than we do, so it lives in an environment of its own, whose Python runs this file as
`python quix.py KAFKA GROUP TOPIC DIRECTORY`. It ends with SIGTERM, or with its stdin.
"""

import os
import signal
import sys
import threading
from decimal import Decimal
from typing import Any


def main(kafka: str, group: str, topic: str, directory: str) -> None:
    """Fold the topic as the consumer group, with the state below the directory."""
    import msgspec
    from quixstreams import Application

    app = Application(
        broker_address=kafka,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=1.0,
        state_dir=directory,
        loglevel="WARNING",
        consumer_extra_config={"fetch.queue.backoff.ms": 5},
        producer_extra_config={"compression.type": "lz4", "linger.ms": 20},
    )
    decode = msgspec.json.Decoder().decode

    def fold(value: bytes, state: Any) -> None:
        event, row = decode(value), state.get("row") or {"version": 0, "amount": "0"}
        if event["sequence"] > row["version"]:
            row["version"], row["status"] = event["sequence"], event["type"]
            if event["type"] == "OrderPlaced":
                row["amount"] = str(Decimal(row["amount"]) + Decimal(event["data"]["amount"]))
            state.set("row", row)

    events = app.topic(topic, key_deserializer="bytes", value_deserializer="bytes")
    app.dataframe(events).update(fold, stateful=True)
    app.run()


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main(*sys.argv[1:])
