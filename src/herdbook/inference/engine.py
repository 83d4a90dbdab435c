"""The engine: prompts in, answers out, with a KV cache and continuous batching."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import torch

from herdbook.errors import InputError
from herdbook.inference.cache_room import context_that_fits, free_memory
from herdbook.inference.runner import Runner
from herdbook.inference.sampling import SamplingParams
from herdbook.inference.sequence import Completion, Sequence
from herdbook.model.transformer import Transformer

if TYPE_CHECKING:
    from herdbook.tokenizer import Tokenizer

_ROUND = 64
"""The cache's length is rounded up to this many positions, so that calls of similar size can share one."""


class ProgressLike(Protocol):
    """Anything that counts: `herdbook.progress.Progress`, for one."""

    def update(self, n: int, **figures: float) -> None:
        """Notes n more finished answers."""


class Engine:
    """Generates from a model for rollouts, evaluation, chat and serving.

    The model is used as it is and may be trained between two calls; `dtype` and `device` move it in place when given.
    `max_batch` bounds the sequences decoded together, `max_seq_len` (by default the model's) prompt and answer.
    Not for use by two threads at once.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        *,
        max_batch: int = 64,
        max_seq_len: int | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if max_batch < 1:
            raise InputError(f"max_batch must be at least 1, got {max_batch}", key="max_batch", value=max_batch)
        self.max_seq_len = max_seq_len or model.args.max_seq_len
        if self.max_seq_len > model.args.max_seq_len:
            raise InputError(
                f"max_seq_len {self.max_seq_len} is above the model's {model.args.max_seq_len}",
                key="max_seq_len",
                value=self.max_seq_len,
            )
        if device is not None or dtype is not None:
            model.to(device=device, dtype=dtype)
        self.model, self.tokenizer, self.max_batch = model, tokenizer, max_batch
        self.default_stop_ids = frozenset(tokenizer.stop_ids)

    def fit_context(self, n_rows: int, wanted: int | None = None) -> int:
        """Sets `max_seq_len` to what the memory free now allows for n_rows sequences at once (`cache_room`)."""
        weight = self.model.tok_embeddings.weight
        free = free_memory(weight.device)
        self.max_seq_len = context_that_fits(self.model.args, n_rows, weight.dtype, free, wanted)
        return self.max_seq_len

    def runner(self, n_rows: int | None = None, max_len: int | None = None) -> Runner:
        """A batch with room for n_rows sequences of max_len tokens, for those who add requests as they come."""
        return Runner(self.model, n_rows or self.max_batch, max_len or self.max_seq_len, self.default_stop_ids)

    def generate(
        self,
        prompts: list[list[int]],
        params: SamplingParams | list[SamplingParams],
        progress: ProgressLike | None = None,
    ) -> list[list[Completion]]:
        """`params.n` answers to each prompt (token ids), in the order given.

        One SamplingParams for all or one for each prompt. An answer depends on its prompt, settings, seed, number in
        `prompts` and number among its samples, and not on the rest of the batch (up to the last bits of floating point,
        which can decide between two tokens of nearly equal probability).
        Raises InputError for a prompt that is empty, unknown to the vocabulary or too long for the context.
        """
        each = params if isinstance(params, list) else [params] * len(prompts)
        if len(each) != len(prompts):
            raise InputError(f"{len(prompts)} prompts but {len(each)} settings", key="params")
        if not prompts:
            return []
        wanted = max(len(prompt) + p.max_new_tokens for prompt, p in zip(prompts, each, strict=True))
        max_len = min(self.max_seq_len, -(-wanted // _ROUND) * _ROUND)
        runner = self.runner(min(self.max_batch, sum(p.n for p in each)), max_len)
        sequences: list[list[Sequence]] = [[] for _ in prompts]
        # Longest first: prompts prefilled together are of similar length, and the short ones fill the gaps at the end.
        for number in sorted(range(len(prompts)), key=lambda i: -len(prompts[i])):
            sequences[number] = runner.add(prompts[number], each[number], number)
        while not runner.scheduler.idle:
            finished = runner.step()
            if progress is not None and finished:
                progress.update(len(finished))
        return [[self.completion(sequence) for sequence in group] for group in sequences]

    def stream(self, prompt_ids: list[int], params: SamplingParams) -> Iterator[str]:
        """The answer to one prompt in pieces of text as they come; together they are `generate`'s text.

        Only whole characters are handed out. Closing the iterator ends the work.
        """
        if params.n != 1:
            raise InputError(f"a stream holds one answer, n={params.n} was asked for", key="n", value=params.n)
        runner = self.runner(1, min(self.max_seq_len, len(prompt_ids) + params.max_new_tokens))
        (sequence,) = runner.add(prompt_ids, params)
        pieces = TextStream(self, sequence)
        while not runner.scheduler.idle:
            runner.step()
            if text := pieces.push(runner.scheduler.so_far(sequence)[0], sequence.finish_reason is not None):
                yield text

    def completion(self, sequence: Sequence) -> Completion:
        """A finished sequence as its user sees it."""
        assert sequence.finish_reason is not None
        text = self.tokenizer.decode(self.shown(sequence, sequence.ids))
        return Completion(sequence.ids, text, sequence.logprobs, sequence.finish_reason)

    def shown(self, sequence: Sequence, ids: list[int]) -> list[int]:
        """The tokens that belong to the text: all but the one that stopped the answer."""
        return ids[:-1] if sequence.finish_reason == "stop" else ids


class TextStream:
    """Turns the growing ids of a sequence into new pieces of text."""

    def __init__(self, engine: Engine, sequence: Sequence) -> None:
        self._engine, self._sequence = engine, sequence
        self._decoder = engine.tokenizer.stream_decoder()
        self._n = 0

    def push(self, ids: list[int], finished: bool) -> str:
        """What is new in `ids` (all so far) as text; with `finished`, the rest of an incomplete character too."""
        ids = self._engine.shown(self._sequence, ids)
        text = "".join(self._decoder.push(i) for i in ids[self._n :])
        self._n = len(ids)
        return text + self._decoder.finish() if finished else text
