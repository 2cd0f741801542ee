"""The intake process: commands of all domains, in one event loop."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable

from producers.intake.session import SessionLost
from producers.intake.term import Servers, Term
from schemas import Domain, Unavailable

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


def run_intake(domains: Iterable[Domain], servers: Servers, stop: threading.Event) -> None:
    """Handle the commands of all domains until `stop` is set; then what was read is answered.

    Blocks. Servers that are down are
    waited for. Several intakes share the partitions. Raises Fatal when commands are missing, or the mistake that ended
    a domain's intake, after all others have stopped.
    """

    async def follow_all() -> None:
        work = [follow(domain, servers, stop) for domain in domains]
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    asyncio.run(follow_all())


async def follow(domain: Domain, servers: Servers, stop: threading.Event) -> None:
    """Handle the commands of one domain, term after term."""
    pause = _FIRST_PAUSE
    while not stop.is_set():
        started = time.monotonic()
        try:
            await (await asyncio.to_thread(Term, domain, servers, stop)).run()
        except (Unavailable, SessionLost) as error:
            if time.monotonic() - started > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            log.warning("intake of %s: %s; next attempt in %.1f s", domain.key, error.detail, pause)
            await asyncio.to_thread(stop.wait, pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        except BaseException:
            stop.set()
            raise
