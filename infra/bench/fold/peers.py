"""Which peers fold beside us: those that can run here, and what is said of the others."""

from collections.abc import Callable
from importlib import resources
from pathlib import Path

from infra.bench.fold.contestants import Contestant, Contestants, read_json
from infra.bench.fold.kafka_streams import compiled, has_java, kafka_streams
from infra.bench.fold.stock_faust import stock_faust
from infra.bench.place import Place

FAUST = "stock Faust"
KAFKA_STREAMS = "Kafka Streams"
QUIX = "Quix Streams"
_QUIX_VERSION = "3.28.1"
_NO_JAVA = "There is no Java runtime for this system, so Kafka Streams is not measured beside Headrace."


def peers(place: Place, topic: str, folder: Path, say: Callable[[str], None]) -> dict[str, Contestants]:
    """The peers by name, on the topic; `folder` takes what they need. `say` is told of those that are missing."""
    found = {FAUST: stock_faust(place, topic)}
    quix = quix_python(place.settings.home)
    if quix.exists():
        found[QUIX] = _quix(place, topic, quix, folder)
    else:
        say(_no_quix(place.settings.home))
    if has_java():
        found[KAFKA_STREAMS] = kafka_streams(place, topic, compiled(place.settings.home, folder, say), folder)
    else:
        say(_NO_JAVA)
    return found


def quix_python(home: Path) -> Path:
    """The Python of the environment that Quix Streams is looked for in."""
    return home / "quixstreams" / "bin" / "python"


def _no_quix(home: Path) -> str:
    return (
        "Quix Streams is not installed, so it is not measured beside Headrace; it needs an environment of its own: "
        f"`python3 -m venv {home / 'quixstreams'} && {quix_python(home)} -m pip install quixstreams=={_QUIX_VERSION} "
        "msgspec`."
    )


def _quix(place: Place, topic: str, python: Path, folder: Path) -> Contestants:
    def new(number: int) -> Contestant:
        group = f"{place.settings.namespace}.quix.{number}"
        changelog = f"changelog__{group}--{topic}--default"
        with resources.as_file(resources.files("infra.bench.fold").joinpath("quix.py")) as source:
            command = ("command", str(python), str(source), place.kafka, group, topic, str(folder / group))
        return Contestant(
            group=group,
            changelog=changelog,
            topics=(changelog,),
            processes=(command,),
            read=read_json,
            order=lambda key: key.rpartition(b"|")[0],
            exact=True,
        )

    return new
