"""Live updates by server-sent events: each event once, in order, without gaps, and resumed where a client was."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.filled import Shop
from tests.pipeline import Pipeline, until


@pytest.fixture
def url(shop: Shop, pipeline: Pipeline) -> Iterator[str]:
    """The API over the tables that the test fills."""
    assert shop.domain.namespace == pipeline.namespace
    pipeline.start("api")
    yield f"{pipeline.url}/api/orders"
    pipeline.stop()


class Follower:
    """Reads messages in a thread."""

    def __init__(self, url: str, last: str | None = None, **parameters: str) -> None:
        self.messages: list[dict[str, Any]] = []
        self._client = httpx.Client(timeout=30)
        headers = {} if last is None else {"Last-Event-ID": last}
        self._answer = self._client.stream("GET", url, params=parameters, headers=headers)
        self._response = self._answer.__enter__()
        assert self._response.headers["content-type"].startswith("text/event-stream")
        self.ended = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        message: dict[str, Any] = {}
        try:
            for line in self._response.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    message[name] = value
                elif message:
                    if message["event"] != "position":  # sent in long silence
                        self.messages.append(message)
                    message = {}
        except (httpx.HTTPError, RuntimeError):
            pass
        finally:
            self.ended.set()

    def ids(self, count: int) -> list[str]:
        """The ids of so many messages, once they are there."""
        until(lambda: len(self.messages) >= count, 30, what=f"{count} messages, not {self.messages}")
        return [message["id"] for message in self.messages]

    def close(self) -> None:
        self._client.close()


def event(shop: Shop, position: int, stream: str = "o-1", kind: str = "OrderPlaced") -> None:
    shop.event(position, stream, position, kind, f'{{"type": "{kind}"}}')


def complete(shop: Shop, position: int) -> None:
    shop.complete(shop.domain.events_topic, position)


def test_events_come_once_all_before_them_are_loaded_and_in_their_order(shop: Shop, url: str) -> None:
    event(shop, 1)
    complete(shop, 1)
    everything = Follower(f"{url}/events/live", after="0")
    fresh = Follower(f"{url}/events/live")
    assert everything.ids(1) == ["1"]
    event(shop, 4)
    event(shop, 3, "o-2", "OrderPaid")
    event(shop, 2)
    complete(shop, 4)
    assert everything.ids(4) == ["1", "2", "3", "4"]
    assert fresh.ids(3) == ["2", "3", "4"]
    assert [message["event"] for message in fresh.messages] == ["OrderPlaced", "OrderPaid", "OrderPlaced"]
    assert json.loads(fresh.messages[1]["data"])["stream"] == "o-2"
    one = Follower(f"{url}/events/live", after="0", type="OrderPaid")
    assert one.ids(1) == ["3"]
    for follower in (everything, fresh, one):
        follower.close()


def test_a_client_that_comes_back_goes_on_after_its_last_message(shop: Shop, url: str) -> None:
    for position in range(1, 1203):
        event(shop, position)
    complete(shop, 1202)
    first = Follower(f"{url}/events/live", after="0")
    assert first.ids(1202) == [str(position) for position in range(1, 1203)]
    first.close()
    again = Follower(f"{url}/events/live", last="1199", after="0")
    assert again.ids(3)[:3] == ["1200", "1201", "1202"]
    again.close()


def test_a_query_is_answered_again_when_its_answer_changes(shop: Shop, url: str) -> None:
    shop.order("o-1", "2.00")
    shop.complete(shop.topic("orders"), 1)
    follower = Follower(f"{url}/queries/orders-by-status/live")
    until(lambda: follower.messages, 30)
    shop.complete(shop.topic("orders"), 2)
    shop.order("o-2", "2.00", status="paid")
    shop.complete(shop.topic("orders"), 3)
    until(lambda: len(follower.messages) >= 2, 30)
    first, second = (json.loads(message["data"]) for message in follower.messages[:2])
    assert {row["status"]: row["orders"] for row in first["data"]} == {"placed": 1}
    assert {row["status"]: row["orders"] for row in second["data"]} == {"placed": 1, "paid": 1}
    assert len(follower.messages) == 2, "what did not change was not sent again"
    follower.close()


def test_a_wrong_parameter_is_refused_before_anything_is_sent(url: str) -> None:
    for path, field in (("/events/live?after=x", "after"), ("/events/live?type=No", "type"), ("/events/live?x=1", "x")):
        answer = httpx.get(url + path, timeout=30)
        assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert httpx.get(f"{url}/events/live", headers={"Last-Event-ID": "soon"}, timeout=30).status_code == 422


def test_the_api_stops_in_order_while_clients_follow(shop: Shop, pipeline: Pipeline, url: str) -> None:
    event(shop, 1)
    complete(shop, 1)
    follower = Follower(f"{url}/events/live", after="0")
    follower.ids(1)
    pipeline.stop("api")
    assert follower.ended.wait(5), "the messages ended with the API"
    follower.close()
