"""`herd serve PATH`: OpenAI's chat completions for one model, and a chat page.

| route | what |
|---|---|
| `POST /v1/chat/completions` | an answer, whole or as server-sent events (`"stream": true`) |
| `GET /v1/models` | the model's name |
| `GET /health` | 200 once requests are taken |
| `GET /` | a page to talk to the model |

Errors have OpenAI's form: `{"error": {"message", "type", "param", "code"}}`.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import secrets
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from herdbook.errors import HerdbookError, InputError, UserError
from herdbook.inference.chat_model import ChatModel, load
from herdbook.inference.conversation import Prompt
from herdbook.serve.requests import ChatRequest, parse
from herdbook.serve.stop_strings import StopStrings
from herdbook.serve.worker import Piece, Worker

MAX_BODY_BYTES = 4 << 20
MAX_BATCH = 16
"""Answers decoded together; more wait for their turn."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def create_app(chat_model: ChatModel, max_batch: int = MAX_BATCH) -> Starlette:
    """The ASGI application; its worker thread lives from start-up to shutdown."""
    service = Service(chat_model, max_batch)
    return Starlette(
        routes=[
            Route("/", service.page),
            Route("/health", service.health),
            Route("/v1/models", service.models),
            Route("/v1/models/{name:path}", service.one_model),
            Route("/v1/chat/completions", service.chat_completions, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _unforeseen},
        lifespan=service.lifespan,
    )


@dataclass
class _Answer:
    """One of the n answers while it is collected."""

    stop: StopStrings
    text: str = ""
    n_tokens: int = 0
    finish_reason: str | None = None


class Service:
    """The routes of one model."""

    def __init__(self, chat_model: ChatModel, max_batch: int) -> None:
        self.chat_model, self.max_batch = chat_model, max_batch
        self.created = int(time.time())
        self.page_html = resources.files("herdbook.serve").joinpath("page.html").read_text("utf-8")

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Starts the worker and stops it."""
        self.worker = Worker(self.chat_model.engine, self.max_batch)
        yield
        self.worker.stop()

    async def page(self, request: Request) -> Response:
        """The chat page."""
        return HTMLResponse(self.page_html, headers=PAGE_HEADERS)

    async def health(self, request: Request) -> Response:
        """Whether requests are taken."""
        return JSONResponse({"status": "ok", "model": self.chat_model.name})

    async def models(self, request: Request) -> Response:
        """The list of the one model."""
        return JSONResponse({"object": "list", "data": [self._model_entry()]})

    async def one_model(self, request: Request) -> Response:
        """The model by name."""
        if request.path_params["name"] != self.chat_model.name:
            return self._no_model(request.path_params["name"])
        return JSONResponse(self._model_entry())

    async def chat_completions(self, request: Request) -> Response:
        """An answer to a conversation."""
        try:
            asked = parse(await _json_body(request))
            if asked.model not in (None, self.chat_model.name):
                return self._no_model(asked.model)
            prompt = self.chat_model.prompt(asked.messages, asked.params)
        except InputError as error:
            return _error(400, error.message, param=error.key)
        head = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": self.chat_model.name}
        if prompt.n_dropped:
            head["herdbook"] = {"dropped_messages": prompt.n_dropped}
        if asked.stream:
            events = self._events(asked, prompt, head)
            return StreamingResponse(
                events, media_type="text/event-stream", headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
            )
        answers = _answers(asked)
        try:
            async with contextlib.aclosing(self._pieces(asked, prompt, answers)) as pieces:
                async for _ in pieces:
                    if await request.is_disconnected():
                        return Response(status_code=499)
        except HerdbookError as error:
            return _error(500, error.message)
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": answer.text},
                "logprobs": None,
                "finish_reason": answer.finish_reason,
            }
            for index, answer in enumerate(answers)
        ]
        return JSONResponse(
            {**head, "object": "chat.completion", "choices": choices, "usage": _usage(prompt, answers)}
        )

    async def _events(self, asked: ChatRequest, prompt: Prompt, head: dict[str, Any]) -> AsyncIterator[str]:
        """The answer as server-sent events: role, pieces of text, reason of the end, usage if asked for, [DONE]."""
        answers = _answers(asked)

        def chunk(index: int, delta: dict[str, str], finish_reason: str | None = None) -> str:
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            usage = {"usage": None} if asked.include_usage else {}
            return _event({**head, "object": "chat.completion.chunk", "choices": [choice], **usage})

        for index in range(len(answers)):
            yield chunk(index, {"role": "assistant", "content": ""})
        try:
            async with contextlib.aclosing(self._pieces(asked, prompt, answers)) as pieces:
                async for index, text in pieces:
                    if text:
                        yield chunk(index, {"content": text})
                    if (reason := answers[index].finish_reason) is not None:
                        yield chunk(index, {}, reason)
        except HerdbookError as error:
            yield _event(_error_body(error.message, "server_error"))
            return
        if asked.include_usage:
            usage = _usage(prompt, answers)
            yield _event({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"

    async def _pieces(
        self, asked: ChatRequest, prompt: Prompt, answers: list[_Answer]
    ) -> AsyncGenerator[tuple[int, str], None]:
        """(index, new text) as it comes, stop strings applied; `answers` is kept up to date."""
        dropped: set[int] = set()
        async with contextlib.aclosing(self.worker.generate(prompt.ids, asked.params, dropped)) as pieces:
            async for piece in pieces:
                answer = answers[piece.index]
                text = answer.stop.push(piece.text, last=piece.finish_reason is not None)
                answer.text += text
                answer.n_tokens = piece.n_tokens
                answer.finish_reason = _reason(piece, answer)
                if answer.stop.found:
                    dropped.add(piece.index)
                yield piece.index, text

    def _model_entry(self) -> dict[str, Any]:
        return {"id": self.chat_model.name, "object": "model", "created": self.created, "owned_by": "herdbook"}

    def _no_model(self, name: str | None) -> Response:
        message = f"there is no model {name!r} here; the one that is served is {self.chat_model.name!r}"
        return _error(404, message, param="model", code="model_not_found")


def _answers(asked: ChatRequest) -> list[_Answer]:
    return [_Answer(StopStrings(asked.stops)) for _ in range(asked.params.n)]


def _reason(piece: Piece, answer: _Answer) -> str | None:
    return "stop" if answer.stop.found else piece.finish_reason


def _usage(prompt: Prompt, answers: list[_Answer]) -> dict[str, int]:
    """Token counts; a prompt of several answers counts once, a stop token counts."""
    n_prompt, n_answers = len(prompt.ids), sum(answer.n_tokens for answer in answers)
    return {"prompt_tokens": n_prompt, "completion_tokens": n_answers, "total_tokens": n_prompt + n_answers}


async def _json_body(request: Request) -> Any:
    """The body as JSON; InputError where it is none, or where another site's page could have sent it unasked."""
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/json":
        raise InputError("the header Content-Type must be application/json", key="content-type")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise InputError(f"the body is longer than {MAX_BODY_BYTES} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("the body is not valid JSON") from None


def _event(value: Any) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _error_body(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _error(status: int, message: str, *, param: str | None = None, code: str | None = None) -> Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return JSONResponse(_error_body(message, kind, param, code), status_code=status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, f"{request.method} {request.url.path}: {error.detail}")


async def _unforeseen(request: Request, error: Exception) -> Response:
    return _error(500, "the server failed; its log says more")


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UserError where the address cannot be had."""
    if not 0 <= port <= 65535:
        raise UserError(f"--port must be from 0 to 65535, got {port}.", key="port", value=port)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):  # of names: socket.gaierror
        raise UserError(f"There is no address {host!r}.", key="host", value=host) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"Port {port} on {host} is in use.",
                key="port",
                value=port,
                remedy="Choose another with --port.",
            ) from None
        raise UserError(f"Cannot listen on {host}, port {port}: {error.strerror}.", key="host", value=host) from None
    return listening


def main(args: argparse.Namespace) -> int:
    """Runs `herd serve` until Ctrl-C or SIGTERM. `args`: path and optionally host, port, max_batch,
    max_context, device.

    Raises UserError where the path is no model, the port is taken or the context does not fit into memory.
    """
    import uvicorn

    host, port = getattr(args, "host", None) or "127.0.0.1", getattr(args, "port", None)
    listening = open_socket(host, 8000 if port is None else port)
    with listening:
        chat_model = load(Path(args.path), device=getattr(args, "device", None) or "cpu")
        max_batch = getattr(args, "max_batch", None) or MAX_BATCH
        wanted, longest = getattr(args, "max_context", None), chat_model.model.args.max_seq_len
        context = chat_model.engine.fit_context(max_batch, wanted)
        app = create_app(chat_model, max_batch)
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2, server_header=False)
        )
        shown = f"[{host}]" if ":" in host else host
        print(f"{chat_model.name} is served at http://{shown}:{listening.getsockname()[1]} (Ctrl-C ends)", flush=True)
        if context < longest and wanted is None:
            print(
                f"Contexts are up to {context:,} tokens long, not the model's {longest:,}: more would not fit into "
                f"memory for {max_batch} answers at once (--max-context, --max-batch).",
                flush=True,
            )
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has shut down
            server.run(sockets=[listening])
    print("Stopped.", flush=True)
    return 0
