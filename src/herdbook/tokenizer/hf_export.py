"""Hugging Face's two files for a tokenizer: `tokenizer.json` and `tokenizer_config.json`, the chat template in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from herdbook.tokenizer.byte_letters import to_letters
from herdbook.tokenizer.chat_templates import TEMPLATES
from herdbook.tokenizer.merges import MergesTokenizer
from herdbook.tokenizer.rank_merges import merges_of_ranks
from herdbook.tokenizer.sentencepiece import BLANK, SentencePieceTokenizer
from herdbook.tokenizer.sentencepiece_file import NORMAL
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.tokenizer import Tokenizer

Json = dict[str, Any]

TOKENIZER_JSON = "tokenizer.json"


def export_hf(
    tokenizer: Tokenizer,
    folder: str | Path,
    *,
    end: Literal["text", "turn"] = "turn",
    max_length: int | None = None,
) -> None:
    """Write both files into `folder`, each whole or not at all.

    end: whether `eos_token` is the end of a text (a base model) or of a turn (a chat model); the same for vocabularies
    that have only one. max_length: context of the model, in tokens.
    """
    from herdbook.storage import atomic_write_bytes, atomic_write_json

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write_bytes(folder / TOKENIZER_JSON, _compact(hf_tokenizer(tokenizer)))
    atomic_write_json(folder / "tokenizer_config.json", hf_config(tokenizer, end=end, max_length=max_length))


def _compact(value: Json) -> bytes:
    import json

    return json.dumps(value, ensure_ascii=False, indent=None, separators=(",", ":")).encode("utf-8") + b"\n"


def hf_config(tokenizer: Tokenizer, *, end: Literal["text", "turn"] = "turn", max_length: int | None = None) -> Json:
    """The content of `tokenizer_config.json`."""
    name = {row: name for name, row in tokenizer.special.items()}
    template = tokenizer.chat_template
    if template is None and tokenizer.family == "llama3":
        template = TEMPLATES[tokenizer.table]
    config: Json = {
        "added_tokens_decoder": {
            str(row): {
                "content": text, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False,
                "special": True,
            }
            for row, text in sorted(name.items())
        },
        "bos_token": name[tokenizer.bos_id],
        "eos_token": name[tokenizer.eot_id if end == "turn" else tokenizer.eos_id],
        "pad_token": name[tokenizer.pad_id],
        "add_bos_token": tokenizer.add_bos,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": max_length or 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }  # fmt: skip
    if template is not None:
        config["chat_template"] = template
    return config


def hf_tokenizer(tokenizer: Tokenizer) -> Json:
    """The content of `tokenizer.json`."""
    if isinstance(tokenizer, SentencePieceTokenizer):
        parts = _sentencepiece(tokenizer)
    elif isinstance(tokenizer, MergesTokenizer):
        patterns = tokenizer.split_patterns
        parts = _byte_level(tokenizer.vocabulary, tokenizer.merges, patterns, tokenizer.ignore_merges)
        vocabulary = {**parts["model"]["vocab"], **tokenizer.special}  # rows before the others': they must stand here
        parts["model"]["vocab"] = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    else:
        ranks = tokenizer.ranks
        parts = _byte_level(ranks, merges_of_ranks(ranks), (tokenizer.split_pattern,), True)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": row, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True,
            }
            for text, row in sorted(tokenizer.special.items(), key=lambda item: item[1])
        ],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": _post_processor(tokenizer),
        **parts,
    }  # fmt: skip


def _post_processor(tokenizer: Tokenizer) -> Json | None:
    """Puts the begin token before a text where the model expects it."""
    if not tokenizer.add_bos:
        return None
    name = next(name for name, row in tokenizer.special.items() if row == tokenizer.bos_id)
    begin, text = {"SpecialToken": {"id": name, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    second = [{"SpecialToken": {"id": name, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    return {
        "type": "TemplateProcessing",
        "single": [begin, text],
        "pair": [begin, text, *second],
        "special_tokens": {name: {"id": name, "ids": [tokenizer.bos_id], "tokens": [name]}},
    }


def _bpe(vocabulary: dict[str, int], merges: list[str], **settings: Any) -> Json:
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **settings,
        "vocab": vocabulary,
        "merges": merges,
    }


def _byte_level(vocabulary: dict[bytes, int], merges: Any, patterns: tuple[str, ...], ignore_merges: bool) -> Json:
    rows = sorted(vocabulary.items(), key=lambda item: item[1])
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    cuts = [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        for pattern in patterns
    ]
    return {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [*cuts, byte_level]},
        "decoder": {**byte_level, "add_prefix_space": True, "use_regex": True},
        "model": _bpe(
            {to_letters(token): row for token, row in rows},
            [f"{to_letters(left)} {to_letters(right)}" for left, right in merges],
            ignore_merges=ignore_merges,
        ),
    }


def byte_level_json(ranks: dict[bytes, int], pattern: str = LLAMA3_SPLIT_PATTERN) -> Json:
    """`tokenizer.json` of a vocabulary of ranks without any special token."""
    parts = _byte_level(ranks, merges_of_ranks(ranks), (pattern,), True)
    empty: Json = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None}
    return {**empty, "post_processor": None, **parts}


def _sentencepiece(tokenizer: SentencePieceTokenizer) -> Json:
    """Scores become the order of merges: of all ways to join two pieces, by the score of the union."""
    model = tokenizer.model
    row_of = {piece: row for row, piece in enumerate(model.pieces)}
    normal = {piece: row for piece, row in row_of.items() if model.types[row] == NORMAL}
    ways = []
    for piece, row in normal.items():
        cuts = [
            (normal[piece[:cut]], normal[piece[cut:]], piece[:cut], piece[cut:])
            for cut in range(1, len(piece))
            if piece[:cut] in normal and piece[cut:] in normal
        ]
        ways += [(-model.scores[row], row, *way) for way in cuts]
    merges = [f"{left} {right}" for *_, left, right in sorted(ways)]
    blanks = [{"type": "Replace", "pattern": {"String": " "}, "content": BLANK}]
    decoders: list[Json] = [
        {"type": "Replace", "pattern": {"String": BLANK}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if model.add_dummy_prefix:
        blanks.insert(0, {"type": "Prepend", "prepend": BLANK})
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "normalizer": {"type": "Sequence", "normalizers": blanks},
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": _bpe(row_of, merges, unk_token=model.pieces[model.unk_id], fuse_unk=True, byte_fallback=True),
    }
