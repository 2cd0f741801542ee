"""Jars that are fetched once, over a network that is not always there."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from infra.stack import jars
from infra.stack.errors import StackError

WANTED = {"org.one:one:1": hashlib.sha256(b"one").hexdigest(), "org.two:two:2": hashlib.sha256(b"two").hexdigest()}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each jar was asked for; the first two times nobody knows the server's name."""
    found: Counter[str] = Counter()

    def resolved(repository: Path, coordinate: str) -> Path:
        found[coordinate] += 1
        if found[coordinate] <= 2:
            raise OSError("Temporary failure in name resolution")
        jar = repository / f"{coordinate.split(':')[1]}.jar"
        jar.write_text(coordinate.split(":")[1])
        return jar

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "_resolved", resolved)
    monkeypatch.setattr(jars, "_PAUSES", (0.0, 0.0))
    return found


def test_a_network_that_is_away_for_a_moment_does_not_end_a_start(tmp_path: Path, asked: Counter[str]) -> None:
    path = jars.fetched(tmp_path, "some", WANTED, lambda _: None)
    assert [Path(jar).read_text() for jar in path.split(":")] == ["one", "two"]
    assert set(asked.values()) == {3}
    assert jars.fetched(tmp_path, "some", WANTED, lambda _: None) == path
    assert set(asked.values()) == {3}, "what is there is not fetched again"


def test_one_that_stays_away_is_said_with_what_to_do_and_leaves_nothing(
    tmp_path: Path, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "_PAUSES", (0.0,))
    with pytest.raises(StackError, match=r"could not fetch org\.one:one:1 .*name resolution.*start again"):
        jars.fetched(tmp_path, "some", WANTED, lambda _: None)
    assert asked["org.one:one:1"] == 2
    assert list((tmp_path / "cache" / "headrace").iterdir()) == []


def test_a_jar_that_is_another_one_is_refused(tmp_path: Path, asked: Counter[str]) -> None:
    wrong = {**WANTED, "org.two:two:2": "0" * 64}
    with pytest.raises(StackError, match=r"org\.two:two:2 .* SHA-256 differs"):
        jars.fetched(tmp_path, "some", wrong, lambda _: None)
    assert asked["org.two:two:2"] == 3
