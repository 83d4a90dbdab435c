"""A model behind an OpenAI-compatible endpoint: `POST URL/chat/completions`, a few requests at a time.

What may pass (no connection, a time limit, statuses 408, 409, 425, 429 and 5xx) is tried again, each time after twice
the pause; a `Retry-After` of the server is kept to. What will not pass (401, 404, a bad request) ends the work
at once with the server's own words. The key is read from an environment variable and stands in no record or message.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from herdbook.errors import ConfigError, HerdbookError, InputError, UserError
from herdbook.inference.client import Answer, Prompt, as_dialog

if TYPE_CHECKING:
    import httpx

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same request may succeed."""
TOP_LOGPROBS = 20
"""As many as the protocol allows."""
MAX_PAUSE = 60.0


class EndpointAnswerer:
    """An `Answerer` over HTTP. Threads share one pool of connections; `answer` returns when all answers are there."""

    def __init__(
        self,
        url: str,
        model_name: str,
        *,
        api_key_env: str = "",
        timeout: float = 120.0,
        retries: int = 6,
        concurrency: int = 4,
        pause: float = 1.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url` ends before `/chat/completions`; `timeout` and the first `pause` in seconds; `retries` after the first
        try. `transport` and `sleep` are for tests. Raises ConfigError where the key's variable is not set."""
        import httpx

        if concurrency < 1 or retries < 0 or timeout <= 0:
            raise ConfigError("concurrency and timeout must be positive, retries at least 0.", key="concurrency")
        headers = {}
        if api_key_env:
            key = os.environ.get(api_key_env, "")
            if not key:
                raise ConfigError(
                    f"The environment variable {api_key_env} is empty or not set.",
                    key="api_key_env",
                    value=api_key_env,
                    remedy=f"export {api_key_env}=..., or leave api_key_env out where the endpoint wants no key.",
                )
            headers["Authorization"] = f"Bearer {key}"
        self.gives_logprobs = False
        self.url = url.rstrip("/").removesuffix("/chat/completions")
        self.name = model_name or self.url
        self._model_name = model_name
        self._retries, self._pause, self._concurrency, self._sleep = retries, pause, concurrency, sleep
        self._logprobs = True
        self._client = httpx.Client(timeout=timeout, headers=headers, transport=transport, follow_redirects=False)

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        choices: Sequence[str] = (),
    ) -> list[Answer]:
        """See `Answerer.answer`. Log-probabilities of choices are sums over the likeliest first tokens that begin them;
        an endpoint that refuses to give log-probabilities is asked without them from then on. max_tokens=0 asks for one
        token."""
        bodies = [self._body(prompt, max(1, max_tokens), temperature, seed) for prompt in prompts]
        with ThreadPoolExecutor(self._concurrency) as pool:
            waiting = [pool.submit(self._one, body, choices) for body in bodies]
            try:
                answers = [one.result() for one in waiting]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return answers

    def _body(self, prompt: Prompt, max_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": as_dialog(prompt), "max_tokens": max_tokens, "temperature": temperature, "seed": seed,
        }  # fmt: skip
        return {"model": self._model_name, **body} if self._model_name else body

    def _one(self, body: dict[str, Any], choices: Sequence[str]) -> Answer:
        if choices and self._logprobs:
            try:
                return _read(self._post({**body, "logprobs": True, "top_logprobs": TOP_LOGPROBS}), choices)
            except _Refused as error:
                if error.status not in (400, 422) or "logprobs" not in error.message:
                    raise
                self._logprobs = False
        return _read(self._post(body), ())

    def _post(self, body: dict[str, Any]) -> Any:
        """The JSON value of the answer, tried until it comes or the retries are used up."""
        import httpx

        problem = ""
        for attempt in range(self._retries + 1):
            pause = min(MAX_PAUSE, self._pause * 2**attempt) * random.uniform(0.75, 1.25)
            try:
                response = self._client.post(f"{self.url}/chat/completions", json=body)
                if response.status_code == 200:
                    return response.json()
                problem = f"status {response.status_code}: {_message(response)}"
                if response.status_code < 500 and response.status_code not in PASSING:
                    raise _Refused(self.url, response.status_code, _message(response))
                pause = max(pause, _retry_after(response))
            except httpx.InvalidURL as error:
                raise InputError(f"{self.url} is no address: {error}.", key="model", value=self.url) from None
            except httpx.UnsupportedProtocol as error:
                raise InputError(f"{self.url}: {error}", key="model", value=self.url) from None
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            except ValueError:
                problem = "an answer that is not JSON"
            if attempt < self._retries:
                self._sleep(pause)
        raise HerdbookError(
            f"{self.url} gave no answer in {self._retries + 1} tries; the last one ended with {problem}.",
            key="model",
            remedy="Give the same command again when it can be reached; what was answered is kept.",
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Refused(UserError):
    """The endpoint said no, and would say it again."""

    def __init__(self, url: str, status: int, message: str) -> None:
        remedy = "Name the variable of a valid key with api_key_env." if status in (401, 403) else None
        super().__init__(f"{url} refuses (status {status}): {message}", key="model", value=url, remedy=remedy)
        self.status = status


def _message(response: httpx.Response) -> str:
    """What the server says, one line of at most 300 characters."""
    try:
        text = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        text = response.text
    return " ".join(str(text).split())[:300] or response.reason_phrase


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait, at most a minute; 0 where it says nothing (or a date)."""
    try:
        value = float(response.headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return min(max(value, 0.0), MAX_PAUSE) if math.isfinite(value) else 0.0


def _read(value: Any, choices: Sequence[str]) -> Answer:
    """The answer in a chat completion. Raises HerdbookError where it has another form."""
    try:
        choice = value["choices"][0]
        text = choice["message"]["content"] or ""
        if not isinstance(text, str):
            raise TypeError
        scores = _choice_scores(choice.get("logprobs"), choices) if choices else None
        return Answer(text, str(choice.get("finish_reason")), scores)
    except (KeyError, IndexError, TypeError, AttributeError):
        raise HerdbookError("The endpoint's answer is no chat completion.", key="model") from None


def _choice_scores(logprobs: Any, choices: Sequence[str]) -> dict[str, float] | None:
    """Log of the summed probabilities of the likeliest first tokens that a choice begins with, or that begin with it.

    Blanks and case do not count: " Yes" is yes. A token that fits several choices counts for none.
    """
    content = (logprobs or {}).get("content")
    if not content:
        return None
    listed = content[0].get("top_logprobs") or [content[0]]
    plain = {choice: choice.strip().lower() for choice in choices}
    sums: dict[str, float] = {}
    for entry in listed:
        token = str(entry["token"]).strip().lower()
        fits = [c for c, text in plain.items() if token and (text.startswith(token) or token == text)]
        if len(fits) == 1:
            sums[fits[0]] = sums.get(fits[0], 0.0) + math.exp(float(entry["logprob"]))
    return {choice: math.log(p) for choice, p in sums.items() if p > 0}
