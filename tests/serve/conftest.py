"""A tiny random model behind a real server on the loopback interface."""

import socket
import threading
import time

import httpx
import pytest
import torch
import uvicorn

from herdbook.inference.chat_model import ChatModel
from herdbook.model.args import ModelArgs
from herdbook.model.transformer import Transformer, init_weights
from herdbook.serve.app import create_app
from herdbook.tokenizer import Tokenizer


@pytest.fixture(scope="session")
def chat_model() -> ChatModel:
    tokenizer = Tokenizer({bytes([byte]): byte for byte in range(256)}, n_special=16)
    args = ModelArgs(
        dim=32, n_layers=2, n_heads=4, n_kv_heads=2, vocab_size=tokenizer.vocab_size, ffn_dim_multiplier=None,
        multiple_of=16, max_seq_len=256,
    )  # fmt: skip
    model = Transformer(args)
    init_weights(model, torch.Generator().manual_seed(1), std=0.3)
    return ChatModel(model.eval(), tokenizer, name="tiny")


class Server:
    """uvicorn in a thread of its own, on a free port."""

    def __init__(self, app):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self.socket]})
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def stop(self):
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.socket.close()


@pytest.fixture(scope="session")
def app(chat_model):
    return create_app(chat_model, max_batch=4)


@pytest.fixture(scope="session")
def server(app):
    server = Server(app)
    yield server
    server.stop()


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
