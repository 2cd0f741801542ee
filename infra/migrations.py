"""Migrations of Postgres: up only, safe to run twice and by several processes at once."""

from importlib import resources
from pathlib import Path

import psycopg2
from yoyo import get_backend, read_migrations

from schemas import Unavailable

# Any number that nothing else uses as an advisory lock. A lock in a table would outlive a killed process.
_LOCK = 7_203_551_004


def migrate(url: str) -> list[str]:
    """Apply what is missing to the database at `url`; answers the names of the migrations that were applied.

    Raises Unavailable when the database does not answer.
    """
    try:
        guard = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        sentence = " ".join(str(error).split())
        raise Unavailable(f"PostgreSQL does not answer: {sentence}", retry_after=1) from error
    try:
        with guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        return _apply(url)
    finally:
        guard.close()


def _apply(url: str) -> list[str]:
    with resources.as_file(resources.files("producers.sql") / "migrations") as folder:
        migrations = read_migrations(str(Path(folder)))
        backend = get_backend(url)
        try:
            missing = backend.to_apply(migrations)
            backend.apply_migrations(missing)
        finally:
            backend.connection.close()
        return [migration.id for migration in missing]
