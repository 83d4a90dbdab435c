"""Asking a model, wherever it is: in this process or behind an OpenAI-compatible endpoint, by one protocol.

>>> from herdbook.inference.client import open_answerer
>>> with open_answerer("runs/quickstart") as model:                                  # doctest: +SKIP
...     model.answer(["What does shutil.copytree do?"], max_tokens=64)
>>> open_answerer("http://localhost:8000/v1", model_name="llama", api_key_env="KEY")  # doctest: +SKIP

No connection is made but to the address that the user gave, and none before `answer` is called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from herdbook.errors import InputError

if TYPE_CHECKING:
    from herdbook.inference.chat_model import ChatModel

Prompt = str | Sequence[Mapping[str, str]]
"""A question, or a dialog: [{"role": "user", "content": "..."}, ...]."""


@dataclass(frozen=True)
class Answer:
    """What a model said to one prompt."""

    text: str
    """The answer; "" where a local model was asked for choices only (max_tokens=0)."""
    finish_reason: str = "stop"
    """"stop", "length", or what the endpoint says."""
    choice_logprobs: dict[str, float] | None = None
    """For each of the choices, the log-probability (natural) that the answer begins with it. None where none were asked
    for, or where the endpoint gives no log-probabilities. A choice that an endpoint does not list among the likeliest
    tokens is missing."""


class Answerer(Protocol):
    """A model that answers."""

    name: str
    """What stands in records: the model's name."""
    gives_logprobs: bool
    """Whether choices are scored for certain, so that no answer needs to be generated beside."""

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        choices: Sequence[str] = (),
    ) -> list[Answer]:
        """Answers in the order of the prompts.

        `choices`: short texts, such as "yes" and "no", whose probability as the beginning of the answer is wanted;
        with max_tokens=0 a local model computes no more than that; an endpoint generates a token.
        Raises InputError for a prompt that cannot be asked, HerdbookError where the model cannot be reached.
        """

    def close(self) -> None:
        """Gives back what is held open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LocalAnswerer:
    """A model in this process: `herdbook.load`'s, of any format that `herdbook.weights` reads."""

    def __init__(self, chat_model: ChatModel) -> None:
        self.gives_logprobs = True
        self.chat_model, self.name = chat_model, chat_model.name

    def answer(
        self,
        prompts: Sequence[Prompt],
        *,
        max_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        choices: Sequence[str] = (),
    ) -> list[Answer]:
        """See `Answerer.answer`. With max_tokens=0 nothing is generated. Equal prompts in other company, or in another
        order, get the same greedy answers; sampled ones depend on the place of the prompt."""
        chat = self.chat_model
        params = chat.params(max_new_tokens=max(1, max_tokens), temperature=temperature, seed=seed)
        ids = [chat.prompt(prompt, params).ids for prompt in map(as_dialog, prompts)]
        scores: list[dict[str, float] | None] = [None] * len(ids)
        if choices and ids:
            from herdbook.inference.choices import choice_logprobs

            encoded = [chat.tokenizer.encode(choice) for choice in choices]
            rows = choice_logprobs(chat.model, ids, encoded)
            scores = [dict(zip(choices, map(float, row))) for row in rows]
        if max_tokens == 0:
            return [Answer("", "stop", score) for score in scores]
        answers = chat.engine.generate(ids, params)
        return [Answer(a.text, a.finish_reason, score) for (a, *_), score in zip(answers, scores)]

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def as_dialog(prompt: Prompt) -> list[dict[str, str]]:
    """A prompt as a checked list of messages. Raises InputError for what is none."""
    from herdbook.inference.conversation import check_messages

    return check_messages([{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt)


def is_endpoint(model: str) -> bool:
    """Whether a name means an HTTP endpoint rather than a folder or file."""
    return model.startswith(("http://", "https://"))


def open_answerer(
    model: str,
    *,
    model_name: str = "",
    api_key_env: str = "",
    device: str = "cpu",
    **endpoint: Any,
) -> Answerer:
    """The model meant by `model`: an address (http://HOST/v1) or whatever `herdbook.load` takes, `smollm2` included.

    `model_name` and `api_key_env` (the NAME of an environment variable with the key) are for an endpoint; `endpoint`:
    further arguments of `EndpointAnswerer` (timeout, retries, concurrency). Raises UserError where there is none.
    """
    if is_endpoint(model):
        from herdbook.inference.endpoint import EndpointAnswerer

        return EndpointAnswerer(model, model_name, api_key_env=api_key_env, **endpoint)
    if not model:
        raise InputError("No model is named.", key="model", remedy="Give a path, `smollm2`, or http://HOST/v1.")
    from herdbook.inference.chat_model import load

    return LocalAnswerer(load(model, device))
