"""The promises of conftest.py hold: no connection leaves this machine, neither from here nor from a child process."""

import socket
import subprocess
import sys
import urllib.request

import pytest


def test_a_connection_to_another_machine_is_refused() -> None:
    with pytest.raises(OSError, match="without network"):
        urllib.request.urlopen("http://192.0.2.1/", timeout=1)
    with pytest.raises(OSError, match="without network"):
        socket.getaddrinfo("example.org", 80)
    with socket.socket() as connection, pytest.raises(OSError, match="without network"):
        connection.connect_ex(("192.0.2.1", 80))


def test_a_child_process_is_refused_too() -> None:
    child = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    answer = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
    assert answer.returncode == 1
    assert "without network" in answer.stderr


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname(), timeout=5) as connection:
            accepted, _ = server.accept()
            with accepted:
                connection.sendall(b"x")
                assert accepted.recv(1) == b"x"
