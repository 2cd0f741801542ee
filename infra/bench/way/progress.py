"""A thread that notes how far the tables are that a query reads, as a token read looks at it."""

import threading
import time
from bisect import bisect_left
from urllib.parse import urlsplit

from clickhouse_driver import Client

from infra.bench.errors import BenchError
from schemas import Domain
from sinks.query.freshness import POLL_SECONDS, REST
from sinks.sql import statement

_PATIENCE = 60.0


class Progress:
    """When each position was complete in all partitions of a topic's tables."""

    def __init__(self, clickhouse_reader: str, domain: Domain, topic: str) -> None:
        self._client = Client.from_url(urlsplit(clickhouse_reader)._replace(query="server_side_params=1").geturl())
        self._query = statement("read_progress").replace("FROM progress", f"FROM {domain.database}.progress")
        self._topic, self._partitions = topic, domain.partitions
        self._positions: list[int] = [0]
        self._moments: list[float] = [time.perf_counter()]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress")

    def __enter__(self) -> "Progress":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()

    @property
    def upto(self) -> int:
        """The position that all is loaded up to."""
        return self._positions[-1]

    def wait_for(self, position: int) -> None:
        """Wait until the position is complete. Raises BenchError when it does not come."""
        deadline = time.monotonic() + _PATIENCE
        while self.upto < position:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise BenchError(f"the tables are complete up to {self.upto}, not {position}")
            time.sleep(0.005)

    def moment(self, position: int) -> float:
        """When the position was first seen to be complete; it must be."""
        return self._moments[bisect_left(self._positions, position)]

    def _run(self) -> None:
        pause = POLL_SECONDS  # as the API does it for those who wait
        while not self._stop.wait(pause):
            began = time.perf_counter()
            rows = self._client.execute(self._query, {"topics": [self._topic]})
            pause = max(POLL_SECONDS, REST * (time.perf_counter() - began))
            if len(rows) == self._partitions:
                upto = min(row[2] for row in rows)
                if upto > self.upto:
                    self._moments.append(time.perf_counter())
                    self._positions.append(upto)
