"""Which processes the pipeline starts, and which servers a command must know."""

from pathlib import Path

import pytest

from infra.config import Settings, read
from infra.pipeline import addresses, bring_up, programs, signing_key
from producers.proof.keys import make
from schemas import Fatal


def test_checkpoints_are_signed_by_the_pipeline_when_there_is_a_key_for_it(tmp_path: Path) -> None:
    assert "checkpoint" not in {program.name for program in programs(Settings(home=tmp_path))}
    key = tmp_path / "own.key"
    make(key)
    signing = Settings(home=tmp_path, signing_key=str(key), checkpoint_seconds=7)
    [program] = [program for program in programs(signing) if program.name == "checkpoint"]
    assert program.command[-4:] == ["checkpoint", "--topic", "--every", "7s"]
    assert program.environment["HEADRACE_SIGNING_KEY"] == str(key)
    assert signing_key(signing) == key


def test_the_pipeline_archives_when_there_is_a_place_for_it(tmp_path: Path) -> None:
    assert "archive" not in {program.name for program in programs(Settings(home=tmp_path))}
    [program] = [p for p in programs(Settings(home=tmp_path, archive="x", archive_seconds=7)) if p.name == "archive"]
    assert program.command[-4:] == ["archive", "run", "--every", "7s"]
    assert program.environment["HEADRACE_ARCHIVE"] == str(Path.cwd() / "x")


def test_the_api_runs_in_as_many_processes_as_are_wanted(tmp_path: Path) -> None:
    started = [p.name for p in programs(Settings(home=tmp_path, http_processes=3)) if p.name.startswith("api")]
    assert started == ["api", "api-2", "api-3"]


def test_a_pipeline_does_not_start_without_the_key_that_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(Fatal, match=r"missing\.key"):
        bring_up(Settings(home=tmp_path, signing_key=str(tmp_path / "missing.key")), said.append)
    assert said == []


@pytest.mark.parametrize("text", ["0", "1000000", "1m"])
def test_how_often_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(Fatal, match="HEADRACE_CHECKPOINT_SECONDS"):
        read({"HEADRACE_CHECKPOINT_SECONDS": text})


def test_only_the_servers_that_a_command_needs_must_be_known(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, postgres="postgresql://u:p@h:1/d")
    assert addresses(settings, "postgres").postgres == settings.postgres
    with pytest.raises(Fatal, match="no kafka is known"):
        addresses(settings, "postgres", "kafka")
    with pytest.raises(Fatal, match="no kafka is known"):
        addresses(settings)
