"""Where a benchmark runs: the machine, versions, and the settings that durability hangs on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from infra.bench.errors import BenchError
from infra.bench.sql import query

_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "commit_delay", "shared_buffers")
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_PACKAGES = (
    *("headrace", "aiokafka", "confluent-kafka", "faust-streaming", "msgspec", "psycopg2-binary", "uvicorn"),
    *("eventsourcing", "psycopg"),
)


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory in GiB, system, and how many processes want to run."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 1),
    }


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def versions() -> dict[str, str]:
    """Of Python and of the packages that matter, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def postgres(url: str) -> tuple[str, dict[str, str]]:
    """PostgreSQL's version and settings, with the file system of its data as `file_system`.

    Raises BenchError when that file system is in memory: then nothing would be durable, and no figure true.
    """
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            found = {}
            for name in _SETTINGS:
                cursor.execute(query("setting"), {"name": name})
                [(found[name],)] = cursor.fetchall()
            cursor.execute(query("setting"), {"name": "data_directory"})
            [(directory,)] = cursor.fetchall()
            cursor.execute(query("setting"), {"name": "server_version"})
            [(server,)] = cursor.fetchall()
            found["file_system"] = _file_system(cursor, directory)
    finally:
        connection.close()
    refuse_memory(found["file_system"], directory or "")
    return server, found


def refuse_memory(file_system: str, directory: str) -> None:
    """Raise BenchError when data are kept in memory."""
    if file_system in _IN_MEMORY:
        raise BenchError(
            f"the data directory {directory} is on {file_system}, that is in memory: nothing is durable there, and no "
            "figure would be true. Set HEADRACE_HOME to a directory on a disk, or HEADRACE_POSTGRES to such a server.",
            rule="data-in-memory",
        )


def file_system_of(directory: str, mounts: str) -> str:
    """The type of the file system that holds `directory`, from the text of /proc/mounts; the last mount wins."""
    best, found = -1, "unknown"
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if (directory + "/").startswith(point.rstrip("/") + "/") and len(point) >= best:
            best, found = len(point), kind
    return found


def _file_system(cursor: Any, directory: str | None) -> str:
    """As the server itself sees it, which may run elsewhere or in a container."""
    try:
        cursor.execute(query("mounts"))
        [(mounts,)] = cursor.fetchall()
    except psycopg2.Error:
        return "unknown: the server does not let this user look"
    return file_system_of(directory or "", mounts)


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
