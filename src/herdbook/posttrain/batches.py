"""Prompts with answers as batches of packed rows.

B rows  T tokens of a row  S sequences of the batch
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from herdbook.data.packing import pack_lengths
from herdbook.tokenizer import Tokenizer
from herdbook.tokenizer.chat import ChatFormat
from herdbook.train.loss import IGNORE

TURNS = 1
"""Questions in a training dialog; a model tuned so is shown the last question of a chat alone."""


@dataclass(frozen=True)
class Example:
    """A prompt and one answer as token ids; the answer ends with its end-of-turn token where it was finished."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def prompt_ids(chat: ChatFormat, text: str) -> list[int]:
    """A one-turn dialog up to and including the header of the assistant's answer."""
    return chat.encode_dialog([{"role": "user", "content": text}], add_generation_header=True)


def answer_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """An answer as the model should write it: the stripped text and the end of the turn."""
    return [*tokenizer.encode(text.strip()), tokenizer.eot_id]


def make_example(chat: ChatFormat, tokenizer: Tokenizer, text: str, answer: str) -> Example:
    """A question and its answer."""
    return Example(tuple(prompt_ids(chat, text)), tuple(answer_ids(tokenizer, answer)))


@dataclass(frozen=True)
class SequenceBatch:
    """S sequences packed into B rows; attention stays inside a sequence by its document number."""

    tokens_BT: Tensor
    """int64; padding is 0."""
    targets_BT: Tensor
    """int64: the next token where it belongs to an answer, IGNORE elsewhere."""
    document_BT: Tensor
    """int64: number of the sequence in the batch, -1 for padding."""
    last_S: Tensor
    """int64: index of each sequence's last token in the flattened rows."""

    @property
    def n_sequences(self) -> int:
        """S."""
        return len(self.last_S)

    def to(self, device: str | torch.device) -> SequenceBatch:
        """The same batch on a device."""
        move = partial(torch.Tensor.to, device=device)
        return replace(
            self,
            tokens_BT=move(self.tokens_BT),
            targets_BT=move(self.targets_BT),
            document_BT=move(self.document_BT),
            last_S=move(self.last_S),
        )

    def sum_per_sequence(self, values_BT: Tensor) -> Tensor:
        """Sums a value of every token over each sequence: (B, T) to (S,)."""
        inside = self.document_BT >= 0
        out_S = torch.zeros(self.n_sequences, dtype=values_BT.dtype, device=values_BT.device)
        return out_S.index_add(0, self.document_BT[inside], values_BT[inside])

    def answer_tokens(self) -> Tensor:
        """How many tokens of each sequence carry a loss, float32 (S,)."""
        return self.sum_per_sequence((self.targets_BT != IGNORE).float())


def collate(examples: Sequence[Example], row_len: int = 256, *, skip_last: bool = False) -> SequenceBatch:
    """Packs whole sequences into rows, the longest first, each into the first row that has room (first fit decreasing).

    skip_last leaves the last token of every answer (the end of the turn) without a loss.
    """
    lengths = [len(example) for example in examples]
    width = max(row_len, *lengths, 1)
    rows = pack_lengths(lengths, width, sorted(range(len(lengths)), key=lambda n: -lengths[n]))
    T = max((sum(lengths[n] for n in row) for row in rows), default=0)
    tokens = np.zeros((len(rows), T), dtype=np.int64)
    targets = np.full((len(rows), T), IGNORE, dtype=np.int64)
    document = np.full((len(rows), T), -1, dtype=np.int64)
    last = np.zeros(len(examples), dtype=np.int64)
    for r, numbers in enumerate(rows):
        at = 0
        for number in numbers:
            example = examples[number]
            n_prompt, size = len(example.prompt), len(example)
            tokens[r, at : at + size] = example.prompt + example.answer
            counted = example.answer[:-1] if skip_last else example.answer
            targets[r, at + n_prompt - 1 : at + n_prompt - 1 + len(counted)] = counted
            document[r, at : at + size] = number
            last[number] = r * T + at + size - 1
            at += size
    return SequenceBatch(*(torch.from_numpy(a) for a in (tokens, targets, document, last)))
