"""What was left out of the folds, and why, is part of what is proven: a record of it that goes or changes is found."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from producers.history import KeyEvent, KeyHistory, Skips
from producers.proof.checkpoints import Checkpoint, sign
from producers.proof.findings import Finding
from producers.proof.reader import Reader
from producers.proof.signing import Signer
from schemas import Fatal, discover
from tests.integration.proven import History
from tests.tampering import Tamperer, tampering

KEY_OF_A = "key of a"
KEY = Ed25519PrivateKey.generate()
Tamper = Callable[[Tamperer], object]


@pytest.fixture
def history(postgres: str) -> History:
    """A history of which the first three events of key `a` are skipped."""
    made = History(postgres, discover("skipped")["orders"])
    made.append(2)
    skip(made, 0, 3)
    return made


def skip(history: History, first: int, count: int) -> None:
    events, skips = KeyHistory(history.postgres, history.domain), Skips(history.postgres, history.domain)
    found: list[KeyEvent] = [event for page in events.events(KEY_OF_A, 0, 1_000) for event in page]
    for event in found[first : first + count]:
        skips.add(KEY_OF_A, event, "agreed", "me")
    events.close()
    skips.close()


def signed(history: History) -> Checkpoint:
    with Reader(history.postgres, history.domain) as reader:
        head, _ = reader.head()
        assert head is not None
        return sign(history.domain.key, head, KEY, reader.skips())


def found(history: History, tamper: Tamper, *checkpoints: Checkpoint) -> list[Finding]:
    with tampering(history.postgres, history.domain) as tamperer:
        tamper(tamperer)
    return list(history.verify(checkpoints=checkpoints).findings)


def _rewrite(tamperer: Tamperer) -> None:
    """Another reason for the second skip, and all hashes from there on anew."""
    tamperer.run("UPDATE skips SET reason = 'none' WHERE number = 2")
    for number in (2, 3):
        tamperer.run(
            "UPDATE skips s SET hash = skip_hash((SELECT hash FROM skips WHERE number = s.number - 1), domain, number, "
            "event, position, partition_key, stream, version, reason, actor, time) WHERE number = %(n)s",
            n=number,
        )


def test_skips_that_nobody_touched_are_good_and_counted(history: History) -> None:
    before = signed(history)
    skip(history, 3, 1)
    report = history.verify(checkpoints=(before, signed(history)))
    assert (report.findings, report.skips, before.skips) == ((), 4, 3)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE skips SET reason = 'another' WHERE number = 2", "altered-skip"),
        ("UPDATE skips SET version = 9 WHERE number = 1", "altered-skip"),
        ("UPDATE skips SET time = time - interval '1 day' WHERE number = 3", "altered-skip"),
        ("DELETE FROM skips WHERE number = 1", "removed-skip"),
        ("DELETE FROM skips WHERE number = 2", "removed-skip"),
    ],
)
def test_a_record_that_was_altered_or_removed_is_found_without_a_checkpoint(
    history: History, statement: str, kind: str
) -> None:
    [finding] = found(history, lambda t: t.run(statement))
    assert finding.kind == kind


def test_a_skip_of_an_event_that_never_was_is_found(history: History) -> None:
    skips = Skips(history.postgres, history.domain)
    skips.add(KEY_OF_A, KeyEvent(id="never:1", position=1, stream="a", version=1, value=b""), "why", "me")
    skips.close()
    [finding] = history.verify().findings
    assert (finding.kind, finding.id) == ("altered-skip", "never:1")


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (lambda t: t.run("DELETE FROM skips WHERE number = 3"), "removed-skip"),
        (lambda t: t.run("DELETE FROM skips"), "removed-skip"),
        (_rewrite, "altered-skip"),
    ],
)
def test_what_is_consistent_by_itself_is_found_by_a_checkpoint_and_not_signed(
    history: History, tamper: Tamper, kind: str
) -> None:
    checkpoint = signed(history)
    [finding] = found(history, tamper, checkpoint)
    assert finding.kind == kind
    assert found(history, lambda _: None) == []

    class Kept:
        def last(self, _domain: object) -> Checkpoint:
            return checkpoint

        def add(self, _domain: object, _checkpoint: Checkpoint) -> None:
            raise AssertionError("it was signed")

    with pytest.raises(Fatal, match="skips"):
        Signer(history.postgres, KEY, [Kept()]).sign(history.domain)


def test_a_skip_is_signed_although_the_head_has_not_moved(history: History) -> None:
    exported: list[Checkpoint] = []

    class Exported:
        def last(self, _domain: object) -> Checkpoint | None:
            return exported[-1] if exported else None

        def add(self, _domain: object, checkpoint: Checkpoint) -> None:
            exported.append(checkpoint)

    signer = Signer(history.postgres, KEY, [Exported()])
    signer.sign(history.domain)
    signer.sign(history.domain)
    skip(history, 3, 1)
    signer.sign(history.domain)
    assert [checkpoint.skips for checkpoint in exported] == [3, 4]
