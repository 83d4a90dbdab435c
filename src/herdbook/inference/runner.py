"""One batch at work: the model, its cache and the scheduler, advanced step by step.

R requests prefilled together  S sequences  T prompt tokens  V vocabulary
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from herdbook.errors import InputError
from herdbook.inference.sampling import SamplingParams, sample
from herdbook.inference.scheduler import Scheduler
from herdbook.inference.sequence import Request, Sequence
from herdbook.model.kv_cache import KVCache
from herdbook.model.transformer import Transformer

PREFILL_TOKENS = 8192
"""Prompts prefilled in one pass, counted with their padding: bounds the memory of a pass."""


class Runner:
    """Continuous batching of any number of requests, with settings of their own, over `n_rows` rows.

    The model is used as it is, so weights that a trainer changes in place are seen at once (between two runs: a cache
    filled with old weights must not be decoded with new ones).
    """

    def __init__(self, model: Transformer, n_rows: int, max_len: int, default_stop_ids: frozenset[int]) -> None:
        self.model, self.max_len = model, max_len
        weight = model.tok_embeddings.weight
        self.device = weight.device
        self.cache = KVCache(model.args, n_rows, max_len, weight.dtype, weight.device)
        self.scheduler = Scheduler(n_rows, max_len, model.args.vocab_size, self.cache.copy_slot)
        self._default_stop_ids = default_stop_ids
        self.n_prefilled = 0
        """Prompt tokens that went through the model, padding not counted."""

    def add(self, prompt: list[int], params: SamplingParams, number: int = 0) -> list[Sequence]:
        """Queues `params.n` answers to a prompt; `number` enters their random numbers.

        Raises InputError for an empty prompt, an unknown token, or a prompt that leaves no room for an answer.
        """
        where = f"prompt {number}"
        if not prompt:
            raise InputError(f"{where} is empty", key="prompt", remedy="give at least <|begin_of_text|>")
        vocab_size = self.model.args.vocab_size
        if min(prompt) < 0 or max(prompt) >= vocab_size:
            bad = next(i for i in prompt if not 0 <= i < vocab_size)
            raise InputError(f"{where} holds token {bad}; the vocabulary has {vocab_size}", key="prompt", value=bad)
        if len(prompt) >= self.max_len:
            raise InputError(
                f"{where} has {len(prompt)} tokens, which leaves no room for an answer: the context is {self.max_len}",
                key="prompt",
                value=len(prompt),
                remedy="shorten the prompt",
            )
        stop_ids = self._default_stop_ids if params.stop_ids is None else frozenset(params.stop_ids)
        limit = min(params.max_new_tokens, self.max_len - len(prompt))
        return self.scheduler.add(Request(number, prompt, params, limit, self.scheduler.stop_set(stop_ids)))

    @torch.no_grad()
    def step(self) -> list[Sequence]:
        """Prefills what fits, chooses one token for every running sequence, and returns those that ended."""
        scheduler = self.scheduler
        finished: list[Sequence] = []
        scheduler.start_siblings()
        while requests := scheduler.next_prefill(PREFILL_TOKENS):
            self._prefill(requests)
            scheduler.start_siblings()
        while fresh := scheduler.fresh:  # those that end at once make room for siblings, which are fresh again
            scheduler.fresh = []
            rows = np.array([sequence.slot for sequence in fresh])
            logits_SV = torch.stack([sequence.request.first_logits_V for sequence in fresh])  # type: ignore[misc]
            finished += self._choose(rows, logits_SV)
        if scheduler.running:
            rows = np.arange(len(scheduler.running))
            finished += self._choose(rows, self._decode(len(rows)))
        return finished

    def cancel(self, sequence: Sequence) -> None:
        """Gives a sequence up; its row is free for the next one."""
        self.scheduler.cancel(sequence)

    def _prefill(self, requests: list[Request]) -> None:
        """Runs the prompts, padded on the right, into the next free rows and keeps the logits after each."""
        lengths = [len(request.prompt) for request in requests]
        first = len(self.scheduler.running)
        tokens_RT = np.zeros((len(requests), max(lengths)), dtype=np.int64)
        positions_RT = np.full_like(tokens_RT, -1)
        for row, request in enumerate(requests):
            tokens_RT[row, : lengths[row]] = request.prompt
            positions_RT[row, : lengths[row]] = np.arange(lengths[row])
        h_RTD = self.model.hidden(
            self._tensor(tokens_RT),
            positions_BT=self._tensor(positions_RT),
            cache=self.cache,
            slots_B=torch.arange(first, first + len(requests), device=self.device),
        )
        last_R = self._tensor(np.array(lengths) - 1)
        logits_RV = self.model.logits(h_RTD[torch.arange(len(requests), device=self.device), last_R]).float()
        for row, request in enumerate(requests):
            request.first_logits_V = logits_RV[row]
        self.n_prefilled += sum(lengths)
        self.scheduler.start_prefilled(requests)

    def _decode(self, n: int) -> Tensor:
        """Feeds the last token of each of the first n rows; logits_SV of the next ones, float32."""
        state = self.scheduler.view(slice(0, n))
        h_S1D = self.model.hidden(
            self._tensor(state["token"][:, None]),
            positions_BT=self._tensor(state["position"][:, None]),
            cache=self.cache,
        )
        return self.model.logits(h_S1D[:, 0]).float()

    def _choose(self, rows: np.ndarray, logits_SV: Tensor) -> list[Sequence]:
        """Samples the next token of these rows, notes it and returns the sequences that end with it."""
        state = self.scheduler.view(rows)
        ids_S, logprob_S = sample(
            logits_SV,
            self._tensor(state["temperature"]),
            self._tensor(state["top_k"]),
            self._tensor(state["top_p"]),
            self._tensor(self.scheduler.draw(rows)),
        )
        ended = self.scheduler.record(rows, ids_S.cpu().numpy(), logprob_S.cpu().numpy())
        return self.scheduler.finish(ended)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.device)
