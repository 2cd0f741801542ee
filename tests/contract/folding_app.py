"""The Faust app of the worker of orders, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from schemas import Domain
from streams.app import FoldingApp, register
from streams.domains.orders import FOLDS
from streams.engine import DomainFolds
from streams.folding import Folder
from streams.gauges import Gauges
from streams.group import Group
from streams.stores import stores_of


def folding_app(kafka: str, domain: Domain, data: Path, instance: str = "one") -> FoldingApp:
    """The app with its tables and its agent, not started."""
    folder = Folder(domain, FOLDS)
    group = Group.of(domain, folder.aggregates)
    stores = stores_of("memory", tuple(group.tables.values()), data / "tables")
    app = FoldingApp(
        group, DomainFolds(folder), stores, kafka=kafka, data=data, instance=instance, gauges=Gauges(domain.key)
    )
    register(app)
    return app


@asynccontextmanager
async def running(app: FoldingApp) -> AsyncIterator[None]:
    """Start the app; it is stopped at the end, its last chunks committed."""
    await app.start()
    try:
        yield
    finally:
        await app.assignment.close()
        await app.stop()


def is_folded(app: FoldingApp, position: int) -> bool:
    """Whether all partitions are folded up to the position, exactly. Fails when the work has ended."""
    assert app.failure is None, app.failure
    positions = app.gauges.positions
    return len(positions) == app.group.partitions and set(positions.values()) == {position}
