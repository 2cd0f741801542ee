"""Jars, such as Kafka's: fetched once from Maven Central into the user's cache, each checked against its SHA-256."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

from infra.stack.errors import StackError

KAFKA_VERSION = "4.0.2"
# Seconds before each further attempt: a name that cannot be looked up for a moment must not end a start.
_PAUSES = (1.0, 5.0, 15.0)


def locked(file: Traversable) -> dict[str, str]:
    """SHA-256 of each jar by its coordinate `group:artifact:version`, as the file has them."""
    text = file.read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(" = ", 1) for line in lines)


def cache(home: Path) -> Path:
    """The user's cache, or `cache/` in the data home when there is none that can be written."""
    wanted = platformdirs.user_cache_path("headrace", appauthor=False)
    # An account without a home directory has "/" there.
    if wanted.parent.parent != Path("/"):
        try:
            wanted.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=wanted):
                return wanted
        except OSError:
            pass
    fallback = home / "cache"
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


def class_path(home: Path, say: Callable[[str], None]) -> str:
    """The class path of Kafka's jars; fetches them when they are missing. Raises StackError when that fails."""
    jars = locked(resources.files("infra.stack").joinpath("kafka_jars.properties"))
    return fetched(home, f"kafka-{KAFKA_VERSION}", jars, lambda what: say(f"kafka: fetching {what} (40 MB, once)"))


def fetched(home: Path, name: str, jars: Mapping[str, str], say: Callable[[str], None]) -> str:
    """The class path of jars, with the SHA-256 of each; they are fetched into the cache when they are missing, which
    `say` is told. Raises StackError when that fails."""
    digest = hashlib.sha256(repr(sorted(jars.items())).encode()).hexdigest()[:8]
    directory = cache(home) / f"{name}-{digest}"
    if not directory.exists():
        say(f"{len(jars)} jars of {name}")
        _fetch(directory, jars)
    return ":".join(sorted(str(jar) for jar in directory.glob("*.jar")))


def _fetch(directory: Path, jars: Mapping[str, str]) -> None:
    # Into a directory of its own that is renamed when complete: an interrupted fetch leaves nothing half done.
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="fetch-") as scratch:
        complete = Path(scratch) / "jars"
        complete.mkdir()
        with ThreadPoolExecutor(8) as pool:
            for coordinate, jar in pool.map(lambda item: _download(Path(scratch), *item), jars.items()):
                shutil.move(jar, complete / f"{coordinate.replace(':', '_')}.jar")
        try:
            complete.rename(directory)
        except OSError:
            if not directory.exists():  # another process was faster
                raise


def _download(repository: Path, coordinate: str, sha256: str) -> tuple[str, Path]:
    import requests

    for pause in (*_PAUSES, None):
        try:
            jar = _resolved(repository, coordinate)
            break
        except (requests.RequestException, RuntimeError, OSError) as error:
            if pause is None:
                raise StackError(
                    f"could not fetch {coordinate} from Maven Central ({error}); see to the network and start again, "
                    "or set HEADRACE_KAFKA to a Kafka that runs already"
                ) from error
            time.sleep(pause)
    if hashlib.sha256(jar.read_bytes()).hexdigest() != sha256:
        raise StackError(f"{coordinate} from Maven Central is not the file that was expected (its SHA-256 differs)")
    return coordinate, jar


def _resolved(repository: Path, coordinate: str) -> Path:
    from jgo.maven import MavenContext

    group, artifact, version = coordinate.split(":")
    context = MavenContext(repo_cache=repository, local_repos=[], timeout=60)
    jar: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    return jar
