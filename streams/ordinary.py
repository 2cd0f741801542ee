"""What ordinary agents send (the changelogs of their tables, too): no offset is committed before the broker has it.

Faust's own producer forgets a record that it could not deliver, and its `flush` comes back while records still wait in
its buffer: after a restart a table would then be behind the offset that was committed.
"""

import asyncio
import logging
from typing import Any, Protocol, cast

from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import FutureMessage

from schemas import HeadraceError, Unavailable

_faust_log = logging.getLogger("faust.ordinary")  # what Faust's services say of themselves


class Failing(Protocol):
    """The app as the producer needs it."""

    def fail(self, error: HeadraceError) -> None:
        """End the work because of `error`."""


class OrdinaryProducer(driver.Producer):
    """Producer that knows what it owes. A record that is not delivered ends the work; the next start does it again."""

    logger = _faust_log

    def __post_init__(self) -> None:
        super().__post_init__()
        self._owed: set[asyncio.Future[Any]] = set()
        self._lost: BaseException | None = None

    def send_soon(self, fut: FutureMessage) -> None:
        """Send a record from the buffer."""
        self._owe(fut)
        super().send_soon(fut)

    async def send(self, *args: Any, **kwargs: Any) -> "asyncio.Future[Any]":
        """Send a record; the future has the broker's answer."""
        sent = cast("asyncio.Future[Any]", await super().send(*args, **kwargs))
        self._owe(sent)
        return sent

    async def flush(self) -> None:
        """Wait until the broker has all that was sent before. Raises ProducerSendError when it has not, ever since."""
        if owed := list(self._owed):
            await asyncio.wait(owed)
        await super().flush()
        if self._lost is not None:
            raise ProducerSendError(f"a record was not delivered: {self._lost!r}")

    def _owe(self, sent: "asyncio.Future[Any]") -> None:
        self._owed.add(sent)
        sent.add_done_callback(self._settle)

    def _settle(self, sent: "asyncio.Future[Any]") -> None:
        self._owed.discard(sent)
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if error is not None and self._lost is None:
            self._lost = error
            cast(Failing, self.app).fail(Unavailable(f"what an agent sent was not delivered: {error!r}"))
