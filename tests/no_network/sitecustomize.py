"""Tests run without network: a connection that leaves this machine is an error, in pytest and in its child processes.

tests/conftest.py puts this folder first on PYTHONPATH, where Python imports `sitecustomize` at start-up.
"""

import os
import socket
from typing import Any

ALLOWED_HOSTS = {"localhost", "", "::1", "0.0.0.0", "::"}


def is_local(host: object) -> bool:
    text = host.decode() if isinstance(host, bytes) else str(host or "")
    return text in ALLOWED_HOSTS or text.startswith("127.")


def refuse(host: object) -> None:
    raise OSError(f"tests run without network: a connection to {host!r} was tried")


def block() -> None:
    """Replaces what reaches other machines in `socket`; Unix sockets and the loopback interface stay open."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            refuse(address[0])

    def local_connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        return connect(self, address)

    def local_connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return connect_ex(self, address)

    def local_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_local(host):
            refuse(host)
        return getaddrinfo(host, *args, **kwargs)

    socket.socket.connect = local_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = local_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = local_getaddrinfo


if os.environ.get("HERDBOOK_TEST_NETWORK") != "1" and not getattr(socket, "_herdbook_blocked", False):
    block()
    socket._herdbook_blocked = True  # type: ignore[attr-defined]
