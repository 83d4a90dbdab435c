"""The vocabulary inside a GGUF file, as the plain values of its `tokenizer.*` fields, in and out.

Reading the file itself is the business of whoever opens it; here come and go numbers, texts and lists.
Source: the GGUF specification ("Tokenizer"); llama.cpp's `llama-vocab.cpp` for what a `pre` means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from herdbook.errors import InputError
from herdbook.tokenizer.byte_letters import from_letters, to_letters
from herdbook.tokenizer.chat_templates import TEMPLATES
from herdbook.tokenizer.hf_import import as_llama3
from herdbook.tokenizer.malformed import malformed
from herdbook.tokenizer.merges import GPT2_SPLIT_PATTERN, SMOLLM_SPLIT_PATTERNS, MergesTokenizer
from herdbook.tokenizer.rank_merges import merges_of_ranks
from herdbook.tokenizer.sentencepiece import SentencePieceTokenizer
from herdbook.tokenizer.sentencepiece_file import CONTROL, NORMAL, UNKNOWN, USER_DEFINED, SentencePieceModel
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.tokenizer import Tokenizer

SPLIT_PATTERNS: dict[str, tuple[str, ...]] = {
    "llama-bpe": (LLAMA3_SPLIT_PATTERN,),
    "smollm": SMOLLM_SPLIT_PATTERNS,
    "gpt-2": (GPT2_SPLIT_PATTERN,),
}
"""`tokenizer.ggml.pre` -> the patterns that cut a text."""
_ALIASES = {"llama3": "llama-bpe", "llama-v3": "llama-bpe"}
_ENDS_OF_TURN = ("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end_of_text|>", "<|endoftext|>")


def tokenizer_of_gguf(fields: Mapping[str, Any], where: str = "the GGUF file") -> Tokenizer:
    """The tokenizer that the fields (`tokenizer.ggml.model`, `.tokens`, ... -> plain values) describe.

    Kinds: `llama` (SentencePiece), and `gpt2` with `pre` one of `SPLIT_PATTERNS`. InputError for every other.
    """
    with malformed(f"The vocabulary in {where}"):
        return _tokenizer_of_gguf(fields, where)


def _tokenizer_of_gguf(fields: Mapping[str, Any], where: str) -> Tokenizer:
    model = fields.get("tokenizer.ggml.model")
    if model not in ("llama", "gpt2"):
        raise InputError(
            f"{where}: a vocabulary of kind {model!r}.",
            key="tokenizer.ggml.model",
            value=model,
            remedy="`llama` (SentencePiece) and `gpt2` (byte-level BPE) are read.",
        )
    tokens = [str(token) for token in _needed(fields, "tokens", where)]
    types = [int(kind) for kind in fields.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)]
    if len(types) != len(tokens):
        raise InputError(f"{where}: {len(tokens)} tokens but {len(types)} types of token.", key="tokenizer.ggml.tokens")
    for name in ("bos", "eos", "padding"):
        row = fields.get(f"tokenizer.ggml.{name}_token_id")
        if row is not None and not 0 <= int(row) < len(tokens):
            raise InputError(f"{where}: {name}_token_id = {row} is no row of {len(tokens)} tokens.", key="tokenizer")
    template = fields.get("tokenizer.chat_template")
    settings = {
        "chat_template": template if isinstance(template, str) else None,
        "extra_stop_ids": _stop_ids(fields, tokens, types),
    }
    if model == "llama":
        return _sentencepiece(fields, tokens, types, where, settings)
    return _byte_level(fields, tokens, types, where, settings)


def _needed(fields: Mapping[str, Any], name: str, where: str) -> Any:
    value = fields.get(f"tokenizer.ggml.{name}")
    if value is None:
        raise InputError(f"{where} has no tokenizer.ggml.{name}.", key=f"tokenizer.ggml.{name}")
    return value


def _id(fields: Mapping[str, Any], name: str, default: int) -> int:
    value = fields.get(f"tokenizer.ggml.{name}_token_id")
    return default if value is None else int(value)


def _stop_ids(fields: Mapping[str, Any], tokens: list[str], types: list[int]) -> list[int]:
    """Rows that end a turn: the field `eot_token_id`, and special tokens known by name."""
    named = [row for row, token in enumerate(tokens) if types[row] != NORMAL and token in _ENDS_OF_TURN]
    eot = fields.get("tokenizer.ggml.eot_token_id")
    return [*([] if eot is None else [int(eot)]), *named]


def _sentencepiece(
    fields: Mapping[str, Any], tokens: list[str], types: list[int], where: str, settings: dict[str, Any]
) -> Tokenizer:
    scores = [float(score) for score in _needed(fields, "scores", where)]
    if len(scores) != len(tokens):
        raise InputError(f"{where}: {len(tokens)} tokens but {len(scores)} scores.", key="tokenizer.ggml.scores")
    model = SentencePieceModel(
        pieces=tuple(tokens),
        scores=tuple(scores),
        types=tuple(types),
        unk_id=_id(fields, "unknown", 0),
        bos_id=_id(fields, "bos", 1),
        eos_id=_id(fields, "eos", 2),
        add_dummy_prefix=bool(fields.get("tokenizer.ggml.add_space_prefix", True)),
    )
    return SentencePieceTokenizer(model, add_bos=bool(fields.get("tokenizer.ggml.add_bos_token", True)), **settings)


def _byte_level(
    fields: Mapping[str, Any], tokens: list[str], types: list[int], where: str, settings: dict[str, Any]
) -> Tokenizer:
    pre = str(fields.get("tokenizer.ggml.pre", "gpt-2"))
    pre = _ALIASES.get(pre, pre)
    if pre not in SPLIT_PATTERNS:
        raise InputError(
            f"{where}: text is cut in a way that is not read here (pre-tokenizer {pre!r}).",
            key="tokenizer.ggml.pre",
            value=pre,
            remedy=f"Known are {', '.join(SPLIT_PATTERNS)}.",
        )
    special = {token: row for row, token in enumerate(tokens) if types[row] in (UNKNOWN, CONTROL, USER_DEFINED)}
    try:
        vocabulary = {from_letters(token): row for row, token in enumerate(tokens) if token not in special}
        pairs = [merge.split(" ") for merge in _needed(fields, "merges", where)]
        merges = [(from_letters(left), from_letters(right)) for left, right in pairs]
    except (KeyError, ValueError) as error:
        raise InputError(f"{where}: a token that is not written in bytes ({error}).", key="tokenizer") from None
    if pre == "llama-bpe":
        tokenizer = as_llama3(vocabulary, merges, special, LLAMA3_SPLIT_PATTERN)
        if tokenizer is not None:
            return tokenizer
    eos = _id(fields, "eos", 0)
    return MergesTokenizer(
        vocabulary,
        merges,
        special,
        split_patterns=SPLIT_PATTERNS[pre],
        bos_id=_id(fields, "bos", eos),
        eos_id=eos,
        pad_id=_id(fields, "padding", eos),
        ignore_merges=pre == "llama-bpe",
        add_bos=bool(fields.get("tokenizer.ggml.add_bos_token", pre == "llama-bpe")),
        **settings,
    )


def gguf_of_tokenizer(tokenizer: Tokenizer, *, end: Literal["text", "turn"] = "turn") -> dict[str, Any]:
    """The `tokenizer.*` fields for a tokenizer. end: whether the end token is that of a text or of a turn."""
    eos = tokenizer.eot_id if end == "turn" else tokenizer.eos_id
    fields: dict[str, Any] = {
        "tokenizer.ggml.bos_token_id": tokenizer.bos_id,
        "tokenizer.ggml.eos_token_id": eos,
        "tokenizer.ggml.padding_token_id": tokenizer.pad_id,
        "tokenizer.ggml.add_bos_token": tokenizer.add_bos,
    }
    template = tokenizer.chat_template
    if isinstance(tokenizer, SentencePieceTokenizer):
        model = tokenizer.model
        fields |= {
            "tokenizer.ggml.model": "llama",
            "tokenizer.ggml.pre": "default",
            "tokenizer.ggml.tokens": list(model.pieces),
            "tokenizer.ggml.scores": list(model.scores),
            "tokenizer.ggml.token_type": list(model.types),
            "tokenizer.ggml.unknown_token_id": model.unk_id,
            "tokenizer.ggml.add_space_prefix": model.add_dummy_prefix,
        }
    else:
        if isinstance(tokenizer, MergesTokenizer):
            patterns, base, merges = tokenizer.split_patterns, tokenizer.vocabulary, list(tokenizer.merges)
        else:
            patterns, base, merges = (tokenizer.split_pattern,), tokenizer.ranks, merges_of_ranks(tokenizer.ranks)
            template = TEMPLATES[tokenizer.table] if template is None else template
            fields["tokenizer.ggml.eot_token_id"] = tokenizer.eot_id
        tokens = [""] * tokenizer.vocab_size
        types = [CONTROL] * tokenizer.vocab_size
        for token, row in base.items():
            tokens[row], types[row] = to_letters(token), NORMAL
        for name, row in tokenizer.special.items():
            tokens[row] = name
        fields |= {
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": _pre(patterns),
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": types,
            "tokenizer.ggml.merges": [f"{to_letters(left)} {to_letters(right)}" for left, right in merges],
        }
    if template is not None:
        fields["tokenizer.chat_template"] = template
    return fields


def _pre(patterns: tuple[str, ...]) -> str:
    for name, known in SPLIT_PATTERNS.items():
        if known == patterns:
            return name
    raise InputError(
        "GGUF knows split patterns by name, and this tokenizer's has none.",
        key="split_pattern",
        value=patterns[0],
        remedy="Write Hugging Face's files instead.",
    )


