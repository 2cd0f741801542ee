"""Bare clients of ClickHouse, which ask one thing again and again."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from clickhouse_driver import Client

from infra.bench.frame import Sample, uncollected


class Bare:
    """So many clickhouse-driver connections in a thread each, asking the same; the floor of an answer over HTTP."""

    def __init__(self, url: str, database: str, query: str, values: Mapping[str, Any], clients: int) -> None:
        at = urlsplit(url)._replace(path=f"/{database}", query="server_side_params=1").geturl()
        self._clients = [Client.from_url(at) for _ in range(clients)]
        self._query, self._values = query, dict(values) or None

    def run(self, seconds: float) -> Sample:
        with uncollected(), ThreadPoolExecutor(len(self._clients)) as threads:
            began = time.perf_counter()
            found = list(threads.map(lambda client: self._ask(client, began + seconds), self._clients))
            duration = time.perf_counter() - began
        latencies = [each for latencies in found for each in latencies]
        return Sample(len(latencies), duration, latencies)

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.disconnect()

    def _ask(self, client: Client, deadline: float) -> list[float]:
        latencies: list[float] = []
        while not latencies or time.perf_counter() < deadline:
            before = time.perf_counter()
            client.execute(self._query, self._values)
            latencies.append((time.perf_counter() - before) * 1000)
        return latencies
