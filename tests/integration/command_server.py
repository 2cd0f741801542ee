"""The HTTP routes of the write side on a real server, for tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from litestar import Litestar

from producers import CommandHandler, EventStore
from producers.domains.orders import DECIDER
from producers.http import EXCEPTION_HANDLERS, routes
from schemas import Domain
from tests.pipeline import until


@contextmanager
def serving(domain: Domain, store: EventStore) -> Iterator[str]:
    """URL of a server with the routes of `domain` over `store`."""
    handler = CommandHandler(domain, DECIDER, store)
    with served(
        Litestar(routes({domain.name: handler}), exception_handlers=EXCEPTION_HANDLERS, openapi_config=None)
    ) as url:
        yield url


@contextmanager
def served(app: Litestar) -> Iterator[str]:
    """URL of a server of `app`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, http="httptools", ws="none", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started, 10, what="the server started")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
