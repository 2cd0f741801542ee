"""The socket of the HTTP API."""

import socket

from infra.config import Settings, variable
from schemas import Fatal


def bound(settings: Settings, *, shared: bool) -> socket.socket:
    """A socket bound to the address of the HTTP API, not listening yet. Raises Fatal when it cannot have it.

    `shared` is for several processes that each have one on the same port: the kernel spreads connections over those
    that listen (SO_REUSEPORT, socket(7)). All of them must be of the same user.
    """
    made = socket.socket(socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
    try:
        made.bind((settings.http_host, settings.http_port))
    except OSError as error:
        made.close()
        raise Fatal(
            f"the HTTP API cannot listen on {settings.http_host}:{settings.http_port} ({error.strerror}); "
            f"set {variable('http_port')} to another port"
        ) from error
    return made
