"""`herd serve` as a process: address, port in use, the way it ends."""

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from herdbook.weights.native import save_model

SERVE = [sys.executable, "-m", "herdbook.cli.main", "serve"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, chat_model):
    folder = tmp_path_factory.mktemp("serve") / "tiny"
    save_model(folder, chat_model.model, chat_model.tokenizer)
    return folder


@pytest.mark.parametrize("number, streaming", [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGINT, True)])
def test_serves_until_it_is_told_to_stop(folder, number, streaming):
    process = subprocess.Popen(
        [*SERVE, str(folder), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", line).group()
        assert httpx.get(url + "/health", timeout=30).json()["status"] == "ok"
        if streaming:  # an answer on its way does not keep the server alive
            body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, "temperature": 2, "n": 64}
            with httpx.stream("POST", url + "/v1/chat/completions", json=body, timeout=30) as response:
                next(response.iter_lines())
                process.send_signal(number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0
    assert out == "Stopped.\n"
    assert "Traceback" not in err


def test_a_port_in_use_is_one_message(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([*SERVE, str(folder), "--port", str(port)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"herd: Port {port} on 127.0.0.1 is in use. Choose another with --port.\n"


@pytest.mark.parametrize(
    "arguments, words",
    [(["--port", "99999"], "--port must be"), (["--host", "no.such.host.invalid"], "There is no address"),
     (["--port", "0", "--max-context", "1000000"], "A context of 1000000 tokens was asked for")],
)  # fmt: skip
def test_bad_arguments_are_one_message(folder, arguments, words):
    done = subprocess.run([*SERVE, str(folder), *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_is_no_model_is_one_message(tmp_path):
    done = subprocess.run([*SERVE, str(tmp_path), "--port", "0"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    assert len(done.stderr.splitlines()) == 1
