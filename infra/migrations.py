"""Migrations of Postgres: up only, safe to run twice and by several processes at once."""

from importlib import resources
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import connection as Connection  # noqa: N812
from yoyo import get_backend, read_migrations

from producers.sql import query
from producers.store.connections import APPENDER, KEEPER, KEYS, OWNER, READER, RELAY
from schemas import Fatal, Unavailable

# Any number that nothing else uses as an advisory lock. A lock in a table would outlive a killed process.
_LOCK = 7_203_551_004
_RACES = 10


def migrate(url: str) -> list[str]:
    """Make the roles and apply what is missing to the database at `url`, all of which belongs to the owner's role.

    Answers the names of the migrations that were applied. Raises Unavailable when the database does not answer, and
    Fatal with what an administrator has to do when the login may not make what is missing.
    """
    try:
        guard = psycopg2.connect(url, connect_timeout=5)
    except psycopg2.OperationalError as error:
        sentence = " ".join(str(error).split())
        raise Unavailable(f"PostgreSQL does not answer: {sentence}", retry_after=1) from error
    try:
        guard.autocommit = True
        with guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        _make_roles(guard)
        return _apply(url)
    finally:
        guard.close()


def _make_roles(connection: Connection) -> None:
    for attempt in range(_RACES):
        try:
            with connection.cursor() as cursor:
                cursor.execute(query("roles"))
            return
        except (errors.DuplicateObject, errors.UniqueViolation, errors.InternalError_):
            # The lock is one of this database, and the roles are the server's: another database's migration was faster.
            if attempt == _RACES - 1:
                raise
        except errors.InsufficientPrivilege as error:
            login, roles = f'"{connection.info.user}"', ", ".join((OWNER, APPENDER, RELAY, KEEPER, READER, KEYS))
            made = " ".join(f"CREATE ROLE {role};" for role in roles.split(", "))
            raise Fatal(
                f"the login {login} may not make the roles that the database needs ({str(error).splitlines()[0]}). "
                f"Let an administrator run once, without the roles that exist: {made} GRANT {roles} TO {login}; "
                f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER};",
                rule="postgres-role",
            ) from error


def _apply(url: str) -> list[str]:
    parts = urlsplit(url)
    options = {**dict(parse_qsl(parts.query)), "options": f"-c role={OWNER}"}
    with resources.as_file(resources.files("producers.sql") / "migrations") as folder:
        migrations = read_migrations(str(Path(folder)))
        backend = get_backend(parts._replace(query=urlencode(options)).geturl())
        try:
            missing = backend.to_apply(migrations)
            backend.apply_migrations(missing)
        finally:
            backend.connection.close()
        return [migration.id for migration in missing]
