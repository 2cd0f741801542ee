"""After an erasure all that reads history goes on: audit, archive, rebuild and diff agree, and nothing comes back."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow.dataset as ds
import pytest

from infra.stack import Addresses
from tests.conftest import fresh_database
from tests.e2e.club import ADA, ADAS_MAIL, EVE, Club, running_club

PRIVATE = (ADA, ADAS_MAIL)
FOLDS = "streams/domains/club.py"


class Erased:
    """A club whose member m-1 was archived, then erased. All that commands say is kept."""

    def __init__(self, club: Club) -> None:
        self.club, self.archive = club, club.pipeline.home / "archive"
        club.pipeline.settings["HEADRACE_ARCHIVE"] = str(self.archive)
        self.said: list[str] = []
        club.post("", member_id="m-1", name=ADA, email=ADAS_MAIL)
        club.post("", member_id="m-2", name=EVE)
        self.token = club.post("m-1/visit").json()["token"]
        assert club.members(self.token) == {"m-1": ADA, "m-2": EVE}
        self.run("archive", "club")
        assert self.audit()["clean"], "before"
        self.run("erase", "club", "m-1")
        self.token = club.post("m-1/visit").json()["token"]

    def run(self, *command: str, code: int = 0) -> list[Any]:
        done = self.club.pipeline.run(*command, "--json", seconds=120)
        assert done.returncode == code, done.stdout + done.stderr
        self.said += [done.stdout, done.stderr]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("{", "["))]

    def audit(self, code: int = 0) -> Any:
        [report] = self.run("audit", "club", "--deep", code=code)
        return report

    def tells_nothing(self) -> None:
        """No command, no file of a server, and no file beside them has told what was erased."""
        assert not [text for text in self.said if any(private in text for private in PRIVATE)]
        assert not any(self.club.files_with(*PRIVATE).values())
        home = self.club.pipeline.home
        files = [path for path in home.rglob("*") if path.is_file() and (home / "tree") not in path.parents]
        assert [path for path in files if path.suffix == ".parquet"]
        content = [path for path in files if any(private.encode() in path.read_bytes() for private in PRIVATE)]
        assert content == []


@pytest.fixture(scope="module")
def erased(servers: Addresses, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erased]:
    home = tmp_path_factory.mktemp("erased")
    with (
        fresh_database(servers.postgres) as postgres,
        running_club(replace(servers, postgres=postgres), f"erased{os.getpid()}", home) as club,
    ):
        yield Erased(club)


def test_the_audit_is_clean_and_says_what_it_does_not_compare(erased: Erased) -> None:
    assert erased.club.members(erased.token) == {"m-1": "[erased]", "m-2": EVE}
    report = erased.audit()
    assert report["findings"] == []
    assert (report["clean"], report["complete"]) == (True, True)
    [rows] = [hop for hop in report["hops"] if hop["name"] == f"{erased.club.database}.members"]
    assert rows["note"] == "not compared: name (personal), email (personal)"
    erased.club.clickhouse(
        f"ALTER TABLE {erased.club.database}.members UPDATE visits = visits + 1 WHERE member_id = 'm-2' "
        "SETTINGS mutations_sync = 2"
    )
    [finding] = erased.audit(code=1)["findings"]
    assert [each["column"] for each in finding["differences"]] == ["visits"]
    erased.club.clickhouse(
        f"ALTER TABLE {erased.club.database}.members UPDATE visits = visits - 1 WHERE member_id = 'm-2' "
        "SETTINGS mutations_sync = 2"
    )
    erased.tells_nothing()


def test_the_archive_verifies_goes_on_and_holds_sealed_values_alone(erased: Erased) -> None:
    [more] = erased.run("archive", "club")
    assert len(more["added"]) == 1
    files = erased.run("archive", "list", "club")
    assert [(file["first"], file["last"]) for file in files] == [(1, 3), (4, more["position"])]
    [verified] = erased.run("archive", "verify", "club")
    assert verified["position"] == more["position"]
    rows = ds.dataset(erased.archive, partitioning="hive", format="parquet").to_table().to_pylist()
    texts = [str(row) for row in rows]
    assert any("~sealed:" in text for text in texts)
    assert not [text for text in texts if any(private in text for private in PRIVATE)]


def test_a_diff_of_two_versions_speaks_of_sealed_values(erased: Erased) -> None:
    tree = erased.club.pipeline.tree
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        name = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *name, *command], cwd=tree, check=True, timeout=60)
    for where in ([], ["--archive", str(erased.archive)]):
        [same] = erased.run("diff", "club", "--against", "HEAD", *where)
        assert same["changes"] == []
    folds = tree / FOLDS
    was = folds.read_text()
    folds.write_text(was.replace("name=event.name", "name=event.name + '!'"))
    [changed] = erased.run("diff", "club", "--against", "HEAD", code=1)
    folds.write_text(was)
    assert changed["changes"]
    assert "~sealed:" in json.dumps(changed)
    erased.tells_nothing()


def test_a_rebuild_brings_nothing_back_and_its_differences_name_no_value(erased: Erased) -> None:
    club = erased.club
    _, verified = erased.run("rebuild", "club", "--no-switch")
    assert verified["differences"] == 0
    new = f"{club.pipeline.namespace}_club_v1b1"
    club.clickhouse(f"INSERT INTO {new}.members SELECT * REPLACE ('other' AS name) FROM {new}.members FINAL")
    file = club.pipeline.home / "differences.json"
    found = erased.run("rebuild", "club", "--differences", str(file), code=1)[1:]
    assert {each["key"] for each in found} == {"m-1", "m-2"}
    assert {(each["old"], each["new"]) for each in found} == {("(personal)", "(personal)")}
    assert EVE not in file.read_text()
    erased.run("rebuild", "club", "--accept", str(file), "--differences", str(file))
    right = f"if(member_id = 'm-2', '{EVE}', '[erased]') AS name"
    club.clickhouse(f"INSERT INTO {new}.members SELECT * REPLACE ({right}) FROM {new}.members FINAL")
    assert club.members(erased.token) == {"m-1": "[erased]", "m-2": EVE}
    assert erased.audit()["clean"]
    erased.run("verify", "club")
    erased.run("erase", "club", "--records")
    erased.tells_nothing()
