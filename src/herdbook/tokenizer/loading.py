"""Which file is it? Every format of a vocabulary that is read, told apart by content."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.tokenizer.ranks_file import parse_ranks
from herdbook.tokenizer.special_tokens import N_SPECIAL
from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
from herdbook.tokenizer.tokenizer import CONFIG_FILE, MODEL_FILE, Tokenizer

HF_FILE = "tokenizer.json"
_SENTENCEPIECE = re.compile(rb"\n[\x02-\x7f]\n", re.DOTALL)


def load_tokenizer(
    path: str | Path, *, table: str | None = None, n_special: int | None = None, default_table: str = "llama3"
) -> Tokenizer:
    """Load a file, or the one in a folder.

    `tokenizer.model` of Meta's Llama 3, of Llama 2 (SentencePiece) or of ours; `tokenizer.json` of Hugging Face;
    a `.bin` of llama2.c. Without our config file beside it, ranks are taken for Llama 3's: its split pattern and 256
    special tokens, by `default_table`. `table` and `n_special` override what files of Llama 3's family say.
    """
    path = Path(path)
    found = path
    if path.is_dir():
        found = next((path / name for name in (MODEL_FILE, HF_FILE) if (path / name).is_file()), path / MODEL_FILE)
    if found.suffix == ".json":
        tokenizer = _hugging_face(found)
        return tokenizer if table is None and n_special is None else _other_specials(tokenizer, table, n_special)
    content = _read(found, path)
    if _SENTENCEPIECE.match(content[:3]):
        return _sentencepiece(found, content)
    if found.suffix == ".bin":
        from herdbook.tokenizer.llama2c_file import parse_llama2c
        from herdbook.tokenizer.sentencepiece import SentencePieceTokenizer

        return SentencePieceTokenizer(parse_llama2c(content, str(found)))
    return _ranks(found, content, path, table, n_special, default_table)


def _read(file: Path, given: Path) -> bytes:
    if not file.is_file():
        raise InputError(
            f"There is no tokenizer at {given}.",
            key="tokenizer",
            value=str(given),
            remedy=f"Give a {MODEL_FILE} or a {HF_FILE}, or a folder that contains one.",
        )
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the tokenizer file {file}: {error.strerror}.", key="tokenizer", value=str(file)
        ) from None


def _hugging_face(path: Path) -> Tokenizer:
    from herdbook.tokenizer.hf_import import load_hf

    return load_hf(path)


def _other_specials(tokenizer: Tokenizer, table: str | None, n_special: int | None) -> Tokenizer:
    if tokenizer.family != "llama3":
        raise InputError("This vocabulary has its own special tokens, not one of Llama 3's tables.", key="table")
    return Tokenizer(
        tokenizer.ranks,
        n_special=n_special or len(tokenizer.special),
        table=table or tokenizer.table,
        split_pattern=tokenizer.split_pattern,
    )


def _sentencepiece(path: Path, content: bytes) -> Tokenizer:
    from herdbook.tokenizer.sentencepiece import SentencePieceTokenizer
    from herdbook.tokenizer.sentencepiece_file import parse_sentencepiece

    config = _own_config(path.parent / CONFIG_FILE)
    return SentencePieceTokenizer(
        parse_sentencepiece(content, str(path)),
        content=content,
        add_bos=bool(config.get("add_bos", True)),
        chat_template=config.get("chat_template") or _template_beside(path.parent / CONFIG_FILE),
        extra_stop_ids=config.get("stop_ids", ()),
    )


def _ranks(
    path: Path, content: bytes, given: Path, table: str | None, n_special: int | None, default_table: str
) -> Tokenizer:
    config = _own_config(path.parent / CONFIG_FILE) if path.name == MODEL_FILE else {}
    tokenizer = Tokenizer(
        parse_ranks(content, str(path)),
        n_special=n_special if n_special is not None else int(config.get("n_special", N_SPECIAL)),
        table=table or str(config.get("special_tokens_table", default_table)),
        split_pattern=str(config.get("split_pattern", LLAMA3_SPLIT_PATTERN)),
    )
    if config and config.get("n_base") != tokenizer.n_base:
        raise InputError(
            f"{path} has {tokenizer.n_base} tokens, but {CONFIG_FILE} beside it says {config.get('n_base')}.",
            key="tokenizer",
            value=str(given),
            remedy="They belong to different tokenizers; take both files from the same folder.",
        )
    return tokenizer


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError:
        raise InputError(f"{path} is not valid JSON.", key="tokenizer", value=str(path)) from None
    return config if isinstance(config, dict) else {}


def _own_config(path: Path) -> dict[str, Any]:
    """Our config file; another tool's file of the same name (Hugging Face's) says nothing of ranks and is ignored."""
    config = _json(path)
    return config if config.get("format") == "herdbook-tokenizer" else {}


def _template_beside(path: Path) -> str | None:
    value = _json(path).get("chat_template")
    return value if isinstance(value, str) else None
