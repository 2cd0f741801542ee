"""The benchmark of the sink measures rows that can be read, and leaves no database behind."""

import clickhouse_driver

from infra.bench.place import place
from infra.bench.suites.load import SUITE, shares
from infra.config import Settings
from infra.stack import Addresses


def test_the_sink_loads_what_a_bare_client_inserts(settings: Settings, servers: Addresses) -> None:
    with place(settings, servers, SUITE.needs) as here, SUITE.cases["events"](here) as case:
        samples = {name: [runner.run(0.05)] for name, runner in case.runners.items()}
        assert case.goals == {"rate": 200_000, "ratios.floor": 0.8}
    assert all(sample.rate > 0 for [sample] in samples.values())
    figures = shares(samples)
    assert figures["us_per_1000"].keys() == figures["cpu_us_per_1000"].keys() == {"ours", "floor", "consume", "form"}
    client = clickhouse_driver.Client.from_url(servers.clickhouse)
    assert not [name for (name,) in client.execute("SHOW DATABASES") if name.startswith(here.settings.namespace)]
    client.disconnect()
