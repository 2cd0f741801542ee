"""Signed checkpoints find what a consistent history hides: a rewriting as a whole, a cut tail, an older database."""

import dataclasses
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from infra.stack import Addresses
from producers.proof import files, topic
from producers.proof.checkpoints import Checkpoint, forged, line, sign
from producers.proof.files import CheckpointFile
from producers.proof.keys import load_private, load_public, make, public_file
from producers.proof.reader import Point
from producers.proof.signing import Signer
from producers.proof.topic import CheckpointTopics
from schemas import Domain, Fatal, Invalid, discover
from tests.conftest import fresh_database
from tests.integration.proven import History
from tests.pipeline import environment, until
from tests.tampering import tampering


@dataclass
class Exported:
    """An export that only remembers."""

    checkpoints: list[Checkpoint] = field(default_factory=list)

    def last(self, _domain: Domain) -> Checkpoint | None:
        return self.checkpoints[-1] if self.checkpoints else None

    def add(self, _domain: Domain, checkpoint: Checkpoint) -> None:
        self.checkpoints.append(checkpoint)


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def history(postgres: str) -> History:
    made = History(postgres, discover("signed")["orders"])
    made.append(2)
    return made


@pytest.fixture
def signed(history: History, key: Ed25519PrivateKey) -> tuple[Checkpoint, ...]:
    """Checkpoints at positions 12, 24 and 36 of the history."""
    exported = Exported()
    for _ in range(2):
        Signer(history.postgres, key, [exported]).sign(history.domain)
        history.append(2)
    Signer(history.postgres, key, [exported]).sign(history.domain)
    assert [checkpoint.position for checkpoint in exported.checkpoints] == [12, 24, 36]
    return tuple(exported.checkpoints)


def found(history: History, signed: tuple[Checkpoint, ...]) -> tuple[str, int | None]:
    """Kind and position of the one finding, that there is none of without the checkpoints."""
    assert history.verify().findings == ()
    [finding] = history.verify(checkpoints=signed).findings
    return finding.kind, finding.position


def test_an_untouched_history_has_all_checkpoints(history: History, signed: tuple[Checkpoint, ...]) -> None:
    report = history.verify(checkpoints=signed)
    assert (report.findings, report.checkpoints) == ((), 3)
    history.append(1)
    assert history.verify(since=30, checkpoints=signed).findings == ()


@pytest.mark.parametrize(("position", "confirmed"), [(1, 0), (20, 12), (30, 24)])
def test_a_history_rewritten_as_a_whole_is_found(
    history: History, signed: tuple[Checkpoint, ...], position: int, confirmed: int
) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.set(position, data=b'{"type":"Made","theirs":true}')
        tamperer.rewrite()
    assert found(history, signed) == ("forked-history", confirmed + 1)


@pytest.mark.parametrize("after", [30, 24, 6])
def test_a_tail_cut_with_all_that_tells_of_it_is_found(
    history: History, signed: tuple[Checkpoint, ...], after: int
) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.cut(after)
    assert found(history, signed) == ("older-database", after + 1)


def test_a_domain_that_was_emptied_is_found(history: History, signed: tuple[Checkpoint, ...]) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        for table in ("events", "commands", "streams", "heads"):
            tamperer.run(f"DELETE FROM {table} WHERE domain = %(domain)s")
    assert found(history, signed) == ("older-database", 1)


def test_an_older_database_is_found_also_when_it_went_on(history: History, key: Ed25519PrivateKey) -> None:
    exported = Exported()
    signer = Signer(history.postgres, key, [exported])
    signer.sign(history.domain)
    with fresh_database(history.postgres, urlsplit(history.postgres).path[1:]) as backup:
        restored = history.at(backup)
        history.append(2)
        signer.sign(history.domain)
        assert found(restored, tuple(exported.checkpoints)) == ("older-database", 13)
        with pytest.raises(Fatal, match="an older database was restored"):
            Signer(backup, key, [exported]).sign(history.domain)
        restored.append(3)
        assert found(restored, tuple(exported.checkpoints)) == ("forked-history", 13)
    assert history.verify(checkpoints=tuple(exported.checkpoints)).findings == ()


def test_a_row_that_was_altered_without_more_is_named_although_the_checkpoints_hold(
    history: History, signed: tuple[Checkpoint, ...]
) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.set(8, data=b"{}")
    findings = history.verify(checkpoints=signed).findings
    assert [(f.kind, f.position) for f in findings] == [("altered-data", 8)]


@pytest.mark.parametrize(
    "change",
    [
        {"position": 11},
        {"digest": "00" * 32},
        {"skips": 1},
        {"domain": "other"},
        {"format": 2},
        {"key": "00"},
        {"signature": "x"},
    ],
)
def test_a_forged_checkpoint_is_found(key: Ed25519PrivateKey, change: dict[str, object]) -> None:
    good = sign("orders", Point(12, b"d" * 32), key)
    bad = replace(good, **change)
    assert forged([good], key.public_key()) == []
    [finding] = forged([good, bad], key.public_key())
    assert (finding.kind, finding.position) == ("bad-checkpoint", bad.position)


def test_a_checkpoint_of_another_key_is_found(key: Ed25519PrivateKey) -> None:
    [finding] = forged([sign("orders", Point(12, b"d" * 32), Ed25519PrivateKey.generate())], key.public_key())
    assert "another key" in finding.detail


def test_nothing_is_signed_while_the_head_does_not_fit_its_last_event(history: History, key: Ed25519PrivateKey) -> None:
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.run("UPDATE heads SET digest = sha256(digest)")
    with pytest.raises(Fatal, match="nothing is signed"):
        Signer(history.postgres, key, []).sign(history.domain)


def test_a_head_is_added_once_to_a_file_and_a_cut_off_line_is_passed_over(
    history: History, key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    path = tmp_path / "proofs.ndjson"
    signer = Signer(history.postgres, key, [CheckpointFile(path)])
    first = signer.sign(history.domain)
    signer.sign(history.domain)
    assert list(files.read(path)) == [first]
    with path.open("ab") as file:
        file.write(line(first)[:50])
    history.append(1)
    second = signer.sign(history.domain)
    assert list(files.read(path)) == [first, second]
    with path.open("ab") as file:
        file.write(b"{no json}\n")
    with pytest.raises(Invalid, match="line 4"):
        list(files.read(path))


def test_checkpoints_go_to_the_topic_of_proofs_and_come_back(
    kafka: str, domain: Domain, postgres: str, key: Ed25519PrivateKey
) -> None:
    history, signer = History(postgres, domain), Signer(postgres, key, [CheckpointTopics(kafka)])
    signed = [signer.sign(domain)]
    history.append(1)
    signed.append(signer.sign(domain))
    signer.sign(domain)
    assert list(topic.read(kafka, domain)) == signed
    assert forged(signed, key.public_key()) == []


def test_a_key_pair_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "signing.key"
    assert make(path)
    assert not make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_private(path).public_key() == load_public(public_file(path))
    path.chmod(0o644)
    with pytest.raises(Fatal, match="open to others"):
        load_private(path)


def test_a_bad_key_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(Fatal, match="keygen"):
        load_public(path)
    path.write_text("no key")
    with pytest.raises(Fatal, match=str(path)):
        load_public(path)


@pytest.fixture
def headrace(servers: Addresses, history: History, tmp_path: Path) -> "Cli":
    addresses = dataclasses.replace(servers, postgres=history.postgres)
    return Cli(environment(addresses, "signed", tmp_path, 0), tmp_path)


@dataclass
class Cli:
    """The command line on the test's servers."""

    environment: dict[str, str]
    folder: Path

    def start(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "infra.cli", *words],
            env={**self.environment, "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> tuple[int, str]:
        """Exit code and output."""
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err


def test_the_commands_sign_and_verify_and_say_what_was_done(headrace: Cli, history: History, tmp_path: Path) -> None:
    proofs = str(tmp_path / "proofs.ndjson")
    code, out = headrace.run("checkpoint", "orders", "--out", proofs)
    assert (code, json.loads(out)["position"]) == (0, 12)
    code, out = headrace.run("verify", "orders", "--checkpoint", proofs)
    assert code == 0, out
    assert "good up to position 12" in out
    with tampering(history.postgres, history.domain) as tamperer:
        tamperer.set(8, data=b"{}")
    code, out = headrace.run("verify", "orders", "--json", "--checkpoint", proofs)
    assert code == 1, out
    [finding] = json.loads(out.splitlines()[0])["findings"]
    assert {**finding, "detail": ""} == {
        "kind": "altered-data",
        "detail": "",
        "domain": history.domain.key,
        "position": 8,
        "stream": "a",
        "version": 4,
        "id": "first-2:2",
    }
    assert headrace.run("verify", "orders", "--stream", "b")[0] == 0
    code, out = headrace.run("verify", "orders", "--stream", "a")
    assert (code, "altered-data" in out) == (1, True)
    content = json.loads(Path(proofs).read_text())
    Path(proofs).write_text(json.dumps({**content, "position": 6}) + "\n")
    code, out = headrace.run("verify", "orders", "--since", "12", "--checkpoint", proofs)
    assert (code, "bad-checkpoint" in out) == (1, True)


def test_periodic_signing_adds_what_is_new_and_ends_at_sigterm(headrace: Cli, history: History, tmp_path: Path) -> None:
    path = tmp_path / "proofs.ndjson"
    process = headrace.start("checkpoint", "orders", "--out", str(path), "--every", "1s")
    try:
        until(lambda: path.exists() and len(list(files.read(path))) == 1, 20, what="the first checkpoint")
        history.append(1)
        until(lambda: len(list(files.read(path))) == 2, 20, what="the second checkpoint")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
    assert [checkpoint.position for checkpoint in files.read(path)] == [12, 18]


def test_only_the_owner_of_a_given_key_signs(headrace: Cli, tmp_path: Path) -> None:
    headrace.environment["HEADRACE_SIGNING_KEY"] = str(tmp_path / "mine.key")
    code, out = headrace.run("checkpoint")
    assert (code, "keygen" in out) == (1, True)
    assert headrace.run("keygen")[0] == 0
    assert headrace.run("checkpoint")[0] == 0
    assert (tmp_path / "mine.key").stat().st_mode & 0o777 == 0o600
