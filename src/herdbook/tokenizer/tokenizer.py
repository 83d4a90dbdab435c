"""`Tokenizer`: text to ids and back with a vocabulary in tiktoken's format, plus special tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from herdbook.errors import InputError
from herdbook.tokenizer.engines import AutomaticEngine, EngineName, Texts
from herdbook.tokenizer.ranks_file import format_ranks
from herdbook.tokenizer.special_tokens import MIN_SPECIAL, N_SPECIAL, PAD_ROW, special_tokens, tables
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.stream import StreamDecoder
from herdbook.tokenizer.surrogates import clean_surrogates

MODEL_FILE = "tokenizer.model"
CONFIG_FILE = "tokenizer_config.json"

class Tokenizer:
    """A vocabulary of `n_base` byte strings followed by `len(special)` special tokens.

    Ids 0..n_base-1 are ranks of tiktoken's file, ids n_base.. are the special tokens in Meta's order. Vocabularies of
    other families (`sentencepiece.py`, `merges.py`) are subclasses: they encode differently and may have their special
    tokens anywhere, all else is shared.
    """

    family = "llama3"
    """How text is encoded: "llama3" by ranks, "merges" by a list of merges, "sentencepiece" by scores."""
    add_bos = True
    """Whether a model of this vocabulary expects `bos_id` before a text."""
    chat_template: str | None = None
    """The vocabulary's own chat template (Jinja); None: Llama 3's format, of which `ChatFormat` knows the rules."""

    def __init__(
        self,
        ranks: dict[bytes, int],
        *,
        n_special: int = N_SPECIAL,
        table: str = "llama3",
        split_pattern: str = LLAMA3_SPLIT_PATTERN,
    ) -> None:
        if table not in tables():
            raise InputError(
                f"no table of special tokens named {table!r}.",
                key="table",
                value=table,
                remedy=f"Take one of {', '.join(tables())}.",
            )
        if n_special < MIN_SPECIAL:
            raise InputError(
                f"n_special = {n_special} leaves no room for the chat format.",
                key="n_special",
                value=n_special,
                remedy=f"Take at least {MIN_SPECIAL}.",
            )
        names = special_tokens(table, n_special)
        self.ranks = ranks
        self.table = table
        self.split_pattern = split_pattern
        n_base = len(ranks)
        special = {name: n_base + row for row, name in enumerate(names)}
        rows = [b""] * n_base + [name.encode("utf-8") for name in names]
        for token, rank in ranks.items():
            rows[rank] = token
        self._set_rows(
            rows,
            special,
            bos_id=special["<|begin_of_text|>"],
            eos_id=special["<|end_of_text|>"],
            eot_id=special["<|eot_id|>"],
            pad_id=n_base + PAD_ROW,
            stop_ids=[special[name] for name in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>") if name in special],
        )
        self._engine = AutomaticEngine(ranks, split_pattern)

    def _set_rows(
        self,
        rows: list[bytes],
        special: dict[str, int],
        *,
        bos_id: int,
        eos_id: int,
        eot_id: int,
        pad_id: int,
        stop_ids: Iterable[int],
    ) -> None:
        """rows: the bytes of each id, a special token's name in UTF-8. special: name -> id, each id one of the rows."""
        self.vocab_size = len(rows)
        self.n_base = len(rows) - len(special)
        self.special: dict[str, int] = special
        self.bos_id, self.eos_id, self.eot_id, self.pad_id = bos_id, eos_id, eot_id, pad_id
        self.stop_ids: tuple[int, ...] = tuple(dict.fromkeys(stop_ids))
        self._bytes: list[bytes] = rows
        self._special_rows = frozenset(special.values())

    # --- files

    @classmethod
    def load(
        cls, path: str | Path, *, table: str | None = None, n_special: int | None = None, default_table: str = "llama3"
    ) -> Tokenizer:
        """Load a tokenizer's file, or a folder with one; `loading.load_tokenizer` says which formats are read.

        `table` and `n_special` override what files of Llama 3's family say; `default_table` is for those that say
        nothing (`ModelArgs.special_tokens` knows which goes with a model).
        """
        from herdbook.tokenizer.loading import load_tokenizer

        return load_tokenizer(path, table=table, n_special=n_special, default_table=default_table)

    def save(self, folder: str | Path) -> None:
        """Write `tokenizer.model` and `tokenizer_config.json` into `folder` (same tokenizer, same bytes)."""
        from herdbook.storage import atomic_write_bytes, atomic_write_text

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(folder / MODEL_FILE, format_ranks(self.ranks))
        atomic_write_text(folder / CONFIG_FILE, json.dumps(self.config(), indent=2, ensure_ascii=False) + "\n")

    def config(self) -> dict[str, Any]:
        """The content of `tokenizer_config.json`."""
        return {
            "format": "herdbook-tokenizer",
            "format_version": 1,
            "n_base": self.n_base,
            "n_special": len(self.special),
            "vocab_size": self.vocab_size,
            "special_tokens_table": self.table,
            "special_tokens": self.special,
            "split_pattern": self.split_pattern,
        }

    # --- encoding

    def encode(
        self,
        text: str,
        *,
        bos: bool = False,
        eos: bool = False,
        allowed_special: Collection[str] | Literal["all"] = (),
    ) -> list[int]:
        """Ids of `text`, between `<|begin_of_text|>` (`bos`) and `<|end_of_text|>` (`eos`) if asked for.

        Text that looks like a special token is text, unless its name is in `allowed_special` ("all": every one).
        Lone surrogates become U+FFFD.
        """
        text = clean_surrogates(text)
        ids = self._encode_plain(text) if not allowed_special else self._encode_special(text, allowed_special)
        if bos:
            ids.insert(0, self.bos_id)
        if eos:
            ids.append(self.eos_id)
        return ids

    def encode_batch(self, texts: Sequence[str], *, threads: int = 2) -> list[list[int]]:
        """`encode` of each text, on several threads (the engine releases the interpreter lock)."""
        return self._encode_plain_batch([clean_surrogates(text) for text in texts], threads)

    def encode_array(self, text: str) -> np.ndarray:
        """`encode(text)` as a uint32 array, without a Python object for each id."""
        return self._encode_plain_array(clean_surrogates(text))

    def encode_flat(self, texts: Texts, *, threads: int = 2) -> tuple[np.ndarray, np.ndarray]:
        """`encode` of many texts, the fastest form: (ids of all texts one after another, uint32; offsets, int64, where
        each text's ids begin and the last end).

        Texts that are in UTF-8 already (all of them `bytes`) save the conversion, which Python makes one thread at a
        time; UnicodeDecodeError where one is no UTF-8.
        """
        return self._encode_flat(texts, threads)

    @property
    def engine(self) -> str:
        """The library that encodes at present, and its version."""
        return self._engine.name

    def use_engine(self, choice: EngineName) -> str:
        """Choose the engine ("auto": gigatoken, where installed, when there is text enough), whatever is installed: the
        ids are the same. ImportError or ValueError where "gigatoken" cannot be. Returns its name."""
        self._engine = AutomaticEngine(self.ranks, self.split_pattern, choice)
        return self._engine.name

    def _encode_plain(self, text: str) -> list[int]:
        """Ids of a text without surrogates, no special tokens."""
        return self._engine.encode(text)

    def _encode_plain_batch(self, texts: Sequence[str], threads: int) -> list[list[int]]:
        return self._engine.encode_batch(texts, threads)

    def _encode_flat(self, texts: Texts, threads: int) -> tuple[np.ndarray, np.ndarray]:
        """Of texts as they come, surrogates included."""
        return self._engine.encode_flat(texts, threads)

    def _encode_plain_array(self, text: str) -> np.ndarray:
        return self._engine.encode_array(text)

    def _encode_special(self, text: str, allowed: Collection[str] | Literal["all"]) -> list[int]:
        names = list(self.special) if allowed == "all" else sorted(set(allowed))
        unknown = [name for name in names if name not in self.special]
        if unknown:
            raise InputError(
                f"{unknown[0]!r} is not a special token of this tokenizer.",
                key="allowed_special",
                value=unknown[0],
                remedy="There are " + ", ".join(list(self.special)[:10]) + ", …",
            )
        ids: list[int] = []
        for part in re.split("(" + "|".join(re.escape(name) for name in names) + ")", text):
            if part in self.special and part in names:
                ids.append(self.special[part])
            elif part:
                ids.extend(self._encode_plain(part))
        return ids

    # --- decoding

    def decode(self, ids: Iterable[int], *, skip_special: bool = False) -> str:
        """The text of `ids`; special tokens appear by name unless `skip_special`. Broken UTF-8 becomes U+FFFD."""
        return self.decode_bytes(ids, skip_special=skip_special).decode("utf-8", "replace")

    def decode_bytes(self, ids: Iterable[int], *, skip_special: bool = False) -> bytes:
        """The bytes of `ids`."""
        rows = [int(token) for token in ids]
        if rows and not (min(rows) >= 0 and max(rows) < self.vocab_size):
            bad = next(token for token in rows if not 0 <= token < self.vocab_size)
            raise InputError(f"id {bad} is outside the vocabulary of {self.vocab_size} rows.", key="ids", value=bad)
        if skip_special:
            rows = [token for token in rows if token not in self._special_rows]
        return b"".join([self._bytes[token] for token in rows])

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one id (a special token's name in UTF-8)."""
        return self.decode_bytes([token])

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for ids that come one at a time."""
        return StreamDecoder(self._bytes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_base={self.n_base}, n_special={len(self.special)}, family={self.family!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.ranks, len(self.special), self.table, self.split_pattern)


def _rebuild(ranks: dict[bytes, int], n_special: int, table: str, split_pattern: str) -> Tokenizer:
    return Tokenizer(ranks, n_special=n_special, table=table, split_pattern=split_pattern)
