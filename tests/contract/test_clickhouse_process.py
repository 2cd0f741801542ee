"""The ClickHouse server as a process: killed, started again, stopped, started wrongly."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clickhouse_driver.errors import Error

from tests.contract.clickhouse_server import DEDUPLICATED, ENDLESS, ClickHouse, count, running, start
from tests.pipeline import until


@pytest.fixture
def own(tmp_path: Path) -> Iterator[ClickHouse]:
    """A server of the test's own, which the test may end."""
    running = ClickHouse(tmp_path)
    yield running
    if running.process.poll() is None:
        running.kill()


def test_a_killed_server_starts_again_with_its_data_and_forgets_what_never_came_to_be(
    own: ClickHouse, tmp_path: Path
) -> None:
    client = own.client()
    client.execute(f"CREATE TABLE t (a UInt64, s String) {DEDUPLICATED}")
    for token in ("one", "two"):
        client.execute("INSERT INTO t (a, s) VALUES", [(1, "x")], settings={"insert_deduplication_token": token})
    (own.data / "spool" / "left").mkdir()
    (own.data / "spool" / "left" / "rows.native").write_bytes(b"half an insert")
    own.kill()
    client.disconnect()
    (log,) = own.data.glob("**/deduplication_logs/deduplication_log_1.txt")
    with log.open("a") as records:
        records.write("1\tall_3_3_0\tall_never\n")
    log_before = log.read_text()

    again = ClickHouse(tmp_path)
    try:
        assert "took out the deduplication record of part all_3_3_0" in again.log.read_text()
        assert again.spooled() == []
        assert log.read_text() == log_before.removesuffix("1\tall_3_3_0\tall_never\n")
        client = again.client()
        assert count(client, "t") == (2, 2)
        for token in ("one", "two", "three"):
            client.execute("INSERT INTO t (a, s) VALUES", [(1, "x")], settings={"insert_deduplication_token": token})
        assert count(client, "t") == (3, 3)
        client.disconnect()
    finally:
        assert again.stop() == 0


def test_a_second_server_on_the_same_data_is_refused_with_a_sentence(own: ClickHouse, tmp_path: Path) -> None:
    log = tmp_path / "second"
    second = start(own.data, own.users, log)
    assert second.wait(30) == 1
    assert log.read_text() == f"clickhouse: another process has the data directory {own.data}; stop it first\n"
    client = own.client()
    assert client.execute("SELECT 1") == [(1,)]
    client.disconnect()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"writer": {"name": "w"}}'])
def test_a_users_file_that_is_wrong_is_told_in_a_sentence(tmp_path: Path, text: str) -> None:
    users, log = tmp_path / "users.json", tmp_path / "log"
    users.write_text(text)
    assert start(tmp_path / "data", users, log).wait(30) == 1
    assert log.read_text().startswith(f"clickhouse: {users} must hold name and password of `writer`")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_in_order(own: ClickHouse, number: signal.Signals) -> None:
    idle = own.client()
    idle.execute("SELECT 1")
    own.process.send_signal(number)
    assert own.process.wait(10) == 0
    idle.disconnect()


def test_a_signal_ends_the_server_while_a_query_runs(own: ClickHouse) -> None:
    busy = own.client()

    def ask() -> None:
        with pytest.raises((Error, OSError, EOFError)):
            busy.execute(ENDLESS)

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: running(own, "sipHash64(number)") == 1, 5, what="the query runs")
    own.process.terminate()
    assert own.process.wait(15) == 0
    asking.join(5)
    assert not asking.is_alive()


def test_a_server_serves_no_strangers_beyond_its_address(own: ClickHouse) -> None:
    listening = [c for c in psutil.Process(own.process.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert [(one.laddr.ip, one.laddr.port) for one in listening] == [("127.0.0.1", own.port)]
