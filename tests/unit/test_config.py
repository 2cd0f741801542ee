"""Settings: read once, checked, and a bad one stops the start with a sentence that names it."""

import dataclasses
from pathlib import Path

import pytest

from infra.config import Settings, read, sentences
from schemas import Fatal


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read({"PATH": "/bin", "HEADRACE_KAFKA": ""}) == Settings()


def test_every_setting_has_a_sentence() -> None:
    assert all(sentence.endswith((".", ").")) for sentence in sentences().values())
    assert set(sentences()) == {f.name for f in dataclasses.fields(Settings)}


def test_values_are_taken_from_the_environment() -> None:
    settings = read({"HEADRACE_HTTP_PORT": "9000", "HEADRACE_HOME": "/var/x", "HEADRACE_NAMESPACE": "team_a"})
    assert (settings.http_port, settings.home, settings.namespace) == (9000, Path("/var/x"), "team_a")


def test_several_processes_need_a_port_that_is_named() -> None:
    with pytest.raises(Fatal, match="HEADRACE_HTTP_PORT must be named when HEADRACE_HTTP_PROCESSES is more than 1"):
        read({"HEADRACE_HTTP_PROCESSES": "2", "HEADRACE_HTTP_PORT": "0"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HEADRACE_HTTP_PORT", "eighty"),
        ("HEADRACE_HTTP_PORT", "70000"),
        ("HEADRACE_HTTP_PROCESSES", "0"),
        ("HEADRACE_LOG_LEVEL", "loud"),
        ("HEADRACE_NAMESPACE", "Team A"),
        ("HEADRACE_KAFKA", "localhost"),
        ("HEADRACE_POSTGRES", "mysql://localhost/x"),
        ("HEADRACE_CLICKHOUSE", "http://localhost:8123"),
        ("HEADRACE_CLICKHOUSE", "clickhouse://only-the-writer:9000/"),
        ("HEADRACE_KAFAK", "a typing error"),
    ],
)
def test_a_bad_setting_is_named(variable: str, value: str) -> None:
    with pytest.raises(Fatal, match=variable):
        read({variable: value})
