"""`herdbook.load(path)`: a model to talk to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import torch

from herdbook.errors import ArtifactError, InputError
from herdbook.inference.conversation import Prompt, check_messages, fit
from herdbook.inference.engine import Engine
from herdbook.inference.sampling import SamplingParams
from herdbook.inference.sequence import Completion
from herdbook.lineage import CARD, load_artifact
from herdbook.model.transformer import Transformer
from herdbook.storage import read_json
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.template_chat import chat_format
from herdbook.weights.loading import load_any
from herdbook.weights.locate import find_weights

GENERATION = "generation.json"
Messages = str | Sequence[Mapping[str, str]]


@dataclass(eq=False)
class ChatModel:
    """A model, its tokenizer and an engine, spoken to in Llama 3's chat format or by its own chat template.

    Answers are greedy by default (temperature 0) and at most 128 tokens long. A conversation longer than the model's
    context loses its oldest turns (`conversation.fit`); a quarter of the context, or `max_new_tokens` where that is
    less, is kept free for the answer.
    """

    model: Transformer
    tokenizer: Tokenizer
    path: Path | None = None
    name: str = "model"
    """Name of the stage that made it, or of its folder."""
    max_questions: int | None = None
    """How many of the user's messages the model sees, the last ones; None: as many as fit. A model tuned on single
    questions answers best when it sees one; `generation.json` beside its weights says so."""

    def __post_init__(self) -> None:
        self.engine = Engine(self.model, self.tokenizer, max_batch=8)
        self.chat_format = chat_format(self.tokenizer)

    @overload
    def chat(self, messages: Messages, *, stream: Literal[False] = False, **sampling: Any) -> str: ...
    @overload
    def chat(self, messages: Messages, *, stream: Literal[True], **sampling: Any) -> Iterator[str]: ...

    def chat(self, messages: Messages, *, stream: bool = False, **sampling: Any) -> str | Iterator[str]:
        """The answer to a question, or to a conversation (`[{"role": "user", "content": "..."}, ...]`).

        `stream=True` gives an iterator over pieces of it as they come. `sampling`: the fields of `SamplingParams`, such
        as temperature=0.7, top_p=0.9, max_new_tokens=200, seed=1. Raises InputError for bad messages or settings.
        """
        params = self.params(**sampling)
        prompt = self.prompt(messages, params)
        if stream:
            return self.engine.stream(prompt.ids, params)
        return self.engine.generate([prompt.ids], params)[0][0].text

    def complete(self, messages: Messages, **sampling: Any) -> list[Completion]:
        """As `chat`, but `n` answers with all that is known of them: ids, log-probabilities, why they ended."""
        params = self.params(**sampling)
        return self.engine.generate([self.prompt(messages, params).ids], params)[0]

    def params(self, **sampling: Any) -> SamplingParams:
        """SamplingParams with the defaults of a chat. An unknown setting is an InputError."""
        known = SamplingParams.__dataclass_fields__
        for key in sampling:
            if key not in known:
                raise InputError(f"there is no setting {key}", key=key, remedy=f"Settings are {', '.join(known)}.")
        return SamplingParams(**{"max_new_tokens": 128, **sampling})

    def prompt(self, messages: Messages, params: SamplingParams) -> Prompt:
        """The prompt that asks for an answer, shortened to fit into the context."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        room = self.engine.max_seq_len - min(params.max_new_tokens, self.engine.max_seq_len // 4)
        return fit(self.chat_format, check_messages(messages), room, self.max_questions)


def check_device(device: str) -> None:
    """Raises InputError where PyTorch has no such device here."""
    try:
        kind = torch.device(device)
        usable = kind.type == "cpu" or torch.zeros(1, device=kind).device.type == kind.type
    except (AssertionError, RuntimeError, NotImplementedError):
        usable = False
    if not usable or kind.type == "meta":
        raise InputError(
            f"PyTorch cannot use device {device!r} here.",
            key="device",
            remedy="Take cpu, or install a build of PyTorch for that device.",
        )


def load(path: str | Path, device: str = "cpu") -> ChatModel:
    """The model at `path`: a run folder (its final model), RUN/STAGE, an artifact, weights in any format that
    `herdbook.weights` reads, or the word `smollm2`.

    Raises InputError where there is none, or no such device, and ArtifactError where it is damaged or of another kind.
    """
    check_device(device)
    folder = find_weights(path)
    name = folder.resolve().stem if folder.is_file() else folder.resolve().name
    if (folder / CARD).is_file():
        card = load_artifact(folder).card
        if card.kind != "model":
            raise ArtifactError(f"{folder} holds a {card.kind}, which cannot speak.", key=str(path))
        name = card.name
    model, tokenizer = load_any(folder, device=device)
    if tokenizer.vocab_size > model.args.vocab_size:
        raise ArtifactError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, the model only {model.args.vocab_size}.",
            key=str(path),
        )
    return ChatModel(model, tokenizer, folder, name, _max_questions(folder / GENERATION))


def _max_questions(path: Path) -> int | None:
    """The setting of that name in `generation.json`, {"max_questions": 1} for instance; None where there is none."""
    if not path.is_file():
        return None
    settings = read_json(path)
    value = settings.get("max_questions") if isinstance(settings, dict) else 0
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ArtifactError(f"{path}: max_questions must be an integer of at least 1, got {value!r}.", key=str(path))
    return value
