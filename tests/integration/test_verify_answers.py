"""Remembered answers of commands: removed before their time, they are missed; forgotten after it, they are not."""

from typing import Any

import pytest

from schemas import discover
from tests.integration.proven import History
from tests.tampering import tampering


@pytest.fixture
def history(postgres: str) -> History:
    made = History(postgres, discover("answers")["orders"])
    made.append()
    return made


def test_a_remembered_answer_that_was_removed_is_named_by_its_first_event(history: History) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        [(command, position)] = tamperer.run(
            "SELECT command, position - events + 1 FROM commands WHERE domain = %(domain)s AND events > 0 "
            "ORDER BY position OFFSET 7 LIMIT 1"
        )
        tamperer.run("DELETE FROM commands WHERE domain = %(domain)s AND command = %(id)s", id=command)
    [finding] = history.verify().findings
    assert (finding.kind, finding.id, finding.position) == ("deleted-command-row", command, position)
    assert [bool(history.verify(since).findings) for since in (1, 30)] == [True, False]


def test_answers_that_were_forgotten_after_their_retention_are_not_missed(history: History) -> None:
    def forget(upto: int, *, told: int) -> Any:
        with tampering(history.postgres, history.domain) as tamperer:
            tamperer.run(
                "INSERT INTO retention VALUES (%(domain)s, %(told)s) "
                "ON CONFLICT (domain) DO UPDATE SET position = excluded.position",
                told=told,
            )
            tamperer.run("DELETE FROM commands WHERE domain = %(domain)s AND position <= %(upto)s", upto=upto)
        return history.verify()

    report = forget(19, told=19)
    assert (report.findings, report.good) == ((), 30)
    assert [finding.kind for finding in forget(25, told=19).findings] == ["deleted-command-row"]
    assert forget(25, told=25).findings == ()
