"""Somebody is erased: what they said of themselves was in ClickHouse alone, and is then in no file of any server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import Addresses
from tests.e2e.club import ADA, ADAS_MAIL, EVE, Club, running_club


@pytest.fixture
def club(addresses: Addresses, namespace: str, tmp_path: Path) -> Iterator[Club]:
    with running_club(addresses, namespace, tmp_path) as made:
        yield made


def test_who_is_erased_is_in_no_file_of_any_server_and_all_else_is_as_it_was(club: Club) -> None:
    assert club.post("", member_id="m-1", name=ADA, email=ADAS_MAIL).status_code == 201
    assert club.post("m-1/rename", name=f"{ADA}-2").status_code == 200
    assert club.post("", member_id="m-2", name=EVE).status_code == 201
    token = club.post("m-1/visit").json()["token"]
    assert club.members(token) == {"m-1": f"{ADA}-2", "m-2": EVE}

    assert club.members_as_of(token) == [f"{ADA}-2"] * 3

    before = club.files_with(ADA, ADAS_MAIL)
    assert before.pop("clickhouse"), "what is in a table is not found: nor would be what must not be there"
    assert before == {"postgres": [], "kafka": []}
    sealed = [record for record in club.records() if b"~sealed:" in record]
    assert sealed
    assert not [record for record in club.records() if ADA.encode() in record or ADAS_MAIL.encode() in record]

    plan = json.loads(club.erase("m-1", "--dry-run", "--json").stdout)
    assert plan["erased"] is None
    assert plan["rows"][f"{club.database}.members"] >= 1
    done = club.erase("m-1", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["subject"], record["number"]) == ("m-1", 1)
    assert f"{club.database}.members" in record["tables"]

    assert club.members(token) == {"m-1": "[erased]", "m-2": EVE}
    assert club.members_as_of(token) == ["[erased]"] * 3, "who is erased is so in the past, too"
    assert not any(club.files_with(ADA, ADAS_MAIL).values())
    assert club.files_with(EVE)["clickhouse"], "somebody else was erased, too"

    refused = club.post("m-1/rename", name="another")
    assert (refused.status_code, refused.json()["rule"]) == (409, "subject-erased")
    token = club.post("m-1/visit").json()["token"]
    assert club.members(token)["m-1"] == "[erased]"
    assert club.clickhouse(f"SELECT max(visits) FROM {club.database}.members") == [(2,)]
    for check in ("verify",), ("erase", "--records"):
        checked = club.pipeline.run(check[0], "club", *check[1:])
        assert checked.returncode == 0, (check, checked.stdout, checked.stderr)
