"""supervisord for one stack: its configuration, its start, and calls over its unix socket."""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.stack.errors import StackError, tail
from infra.stack.layout import Layout, write_private
from infra.stack.leftovers import mark
from infra.stack.program import Program

_CALL_SECONDS = 5.0


@dataclass(frozen=True)
class State:
    """What supervisord knows of a program. `pid` is 0 and `seconds` (of running) too when it does not run."""

    name: str
    state: str
    pid: int
    seconds: float
    error: str

    @property
    def runs(self) -> bool:
        return self.state in ("STARTING", "RUNNING")


class Supervisor:
    """The supervisord of one stack. All methods but `start`, `alive` and `states` need it to run."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._log = layout.log_of("supervisor")
        self._configuration = layout.run / "supervisord.conf"

    def alive(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def start(self) -> None:
        """Start supervisord without any program. Raises StackError with its log."""
        for old in self._layout.programs.iterdir():
            old.unlink()
        if self._layout.socket.parent != self._layout.run:
            _private_directory(self._layout.socket.parent)
        write_private(self._configuration, self._configuration_text())
        name, value = mark(self._layout.home, "KILL")
        command = ["/usr/bin/env", f"{name}={value}", sys.executable, "-W", "ignore", "-m", "supervisor.supervisord"]
        # A session of its own: Ctrl-C in the terminal must not reach what it starts.
        done = subprocess.run(
            [*command, "-c", str(self._configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            check=False,
        )
        deadline = time.monotonic() + 20
        while done.returncode or not self.alive():
            if done.returncode or time.monotonic() > deadline:
                raise StackError(f"supervisord did not start: {done.stderr.strip()}\n{self._log}:\n{tail(self._log)}")
            time.sleep(0.02)

    def launch(self, program: Program) -> None:
        """Start a program, new or known; one that runs already with the same command is left alone."""
        script = self._layout.programs / f"{program.name}.sh"
        text = self._script(program)
        state = self.states().get(program.name)
        if state and state.runs and script.read_text() == text:
            return
        if state:
            self.forget(program.name)
        write_private(script, text)
        write_private(self._section_of(program.name), self._section(program, script))
        self._call("reloadConfig")
        self._call("addProcessGroup", program.name)
        self.resume(program.name)

    def forget(self, name: str) -> None:
        """Stop a program, and know it no more."""
        self.stop(name)
        self._call("removeProcessGroup", name)
        self._section_of(name).unlink()

    def resume(self, name: str) -> None:
        """Start a known program that does not run."""
        if not self._known(name).runs:
            try:
                self._call("startProcess", name, False)
            except xmlrpc.client.Fault as fault:
                raise StackError(f"{name} does not start: {fault.faultString}") from fault

    def stop(self, name: str) -> None:
        """Stop a program and wait until it has ended (killed by supervisord after its `stop_seconds`)."""
        self.stop_all([name])

    def stop_all(self, names: list[str]) -> None:
        """Stop some programs at once and wait for all."""
        for name in names:
            if self._known(name).state not in ("STOPPED", "EXITED", "FATAL", "STOPPING"):
                try:
                    self._call("stopProcess", name, False)
                except xmlrpc.client.Fault as fault:
                    if fault.faultCode != 70:  # NOT_RUNNING: it ended in this moment
                        raise
        while any(self._known(name).state not in ("STOPPED", "EXITED", "FATAL") for name in names):
            time.sleep(0.05)

    def shut_down(self) -> None:
        """Stop supervisord. Its programs should have been stopped before."""
        self._call("shutdown")

    def states(self) -> dict[str, State]:
        """The state of every known program by name; empty when supervisord does not run."""
        try:
            answers = self._call("getAllProcessInfo")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return {}
        return {a["name"]: _state(a) for a in answers}

    def _known(self, name: str) -> State:
        try:
            return _state(self._call("getProcessInfo", name))
        except xmlrpc.client.Fault as fault:
            raise StackError(f"no program {name!r}; there are {', '.join(sorted(self.states()))}") from fault

    def _section_of(self, name: str) -> Path:
        return self._layout.programs / f"{name}.conf"

    def _call(self, method: str, *arguments: Any) -> Any:
        with xmlrpc.client.ServerProxy("http://localhost", _Transport(self._layout.socket)) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)

    def _configuration_text(self) -> str:
        user = "user=root\n" if os.geteuid() == 0 else ""
        return (
            f"[unix_http_server]\nfile={self._layout.socket}\nchmod=0600\n"
            f"[supervisord]\nlogfile={self._log}\nlogfile_maxbytes=5MB\nlogfile_backups=1\nloglevel=info\n"
            f"pidfile={self._layout.run / 'supervisord.pid'}\nchildlogdir={self._layout.log}\n"
            f"identifier=headrace\nnodaemon=false\n{user}"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            "[include]\nfiles=programs/*.conf\n"
        )

    def _section(self, program: Program, script: Path) -> str:
        escaped = str(program.directory).replace("%", "%%")
        # startretries: supervisord waits a second longer after each try; a server may be away for hours.
        return (
            f"[program:{program.name}]\ncommand=/bin/sh {shlex.quote(str(script))}\ndirectory={escaped}\n"
            f"autostart=false\nautorestart=true\nstartsecs=1\nstartretries=1000\npriority={program.rank}\n"
            f"stopsignal={program.stop_signal}\nstopwaitsecs={program.stop_seconds}\nkillasgroup=true\n"
            f"redirect_stderr=true\nstdout_logfile={self._layout.log_of(program.name)}\n"
            "stdout_logfile_maxbytes=20MB\nstdout_logfile_backups=2\n"
        )

    def _script(self, program: Program) -> str:
        # A script, since supervisord's own quoting cannot carry every value.
        environment = {**program.environment, **dict([mark(self._layout.home, program.stop_signal)])}
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        return f"{exports}exec {shlex.join(program.command)}\n"


def _state(answer: dict[str, Any]) -> State:
    seconds = max(0.0, answer["now"] - answer["start"]) if answer["pid"] else 0.0
    return State(answer["name"], answer["statename"], answer["pid"], seconds, answer["spawnerr"])


def _private_directory(path: Path) -> None:
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise StackError(f"{path} belongs to another user; remove it or set HEADRACE_HOME to a shorter path")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_CALL_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._connection_to = _Connection(path)

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002
        return self._connection_to

    def close(self) -> None:
        self._connection_to.close()
