"""Lies that are planted in a domain's tables: each of its constraints must find the one that is meant for it."""

from collections.abc import Mapping

import clickhouse_driver

from schemas import Domain
from sinks.constraints import constraints_of
from tests.pipeline import until


def each_constraint_finds_a_lie(clickhouse: str, domain: Domain, lies: Mapping[str, str]) -> None:
    """Run each constraint before and after its lie: a statement in which `{v}` and `{e}` are the domain's databases."""
    names = {"v": domain.projection_database, "e": domain.database}
    rules = {each.name: each for each in constraints_of(domain)}
    assert set(rules) == set(lies)
    client = clickhouse_driver.Client.from_url(clickhouse)
    try:
        client.execute(f"USE {names['v']}")
        for name, lie in lies.items():
            query = rules[name].query({}).replace("{upto:UInt64}", "1000000")
            assert client.execute(query) == [], name
            client.execute(lie.format(**names))
            until(lambda query=query: client.execute(query), 10, what=name)  # type: ignore[misc]
    finally:
        client.disconnect()
