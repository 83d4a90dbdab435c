"""Reading Hugging Face's `tokenizer.json` (with `tokenizer_config.json` beside it): byte-level BPE, Llama 2's kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.storage import read_json
from herdbook.tokenizer.byte_letters import from_letters
from herdbook.tokenizer.malformed import malformed
from herdbook.tokenizer.merges import GPT2_SPLIT_PATTERN, Merge, MergesTokenizer
from herdbook.tokenizer.rank_merges import merges_follow_ranks
from herdbook.tokenizer.sentencepiece import BLANK, SentencePieceTokenizer
from herdbook.tokenizer.sentencepiece_file import BYTE, CONTROL, NORMAL, UNKNOWN, SentencePieceModel
from herdbook.tokenizer.special_tokens import MIN_SPECIAL, N_SPECIAL, special_tokens, tables
from herdbook.tokenizer.tokenizer import Tokenizer

Json = Mapping[str, Any]


def load_hf(path: Path) -> Tokenizer:
    """Load `tokenizer.json` and what stands beside it (config, `chat_template.jinja`, `generation_config.json`)."""
    folder = path.parent
    config = _optional(folder / "tokenizer_config.json")
    template = folder / "chat_template.jinja"
    if template.is_file():
        config = {**config, "chat_template": template.read_text("utf-8")}
    ends = _optional(folder / "generation_config.json").get("eos_token_id", [])
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise InputError(f"{path} is no tokenizer.json of Hugging Face.", key="tokenizer", value=str(path))
    return tokenizer_of_json(content, config, ends if isinstance(ends, list) else [ends], str(path))


def _optional(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


def tokenizer_of_json(content: Json, config: Json, stop_ids: Sequence[int] = (), where: str = "here") -> Tokenizer:
    """The tokenizer that the two files' contents describe: of Llama 3's kind where ids and merges say the same."""
    with malformed(f"The tokenizer.json {where}"):
        return _tokenizer_of_json(content, config, stop_ids, where)


def _tokenizer_of_json(content: Json, config: Json, stop_ids: Sequence[int], where: str) -> Tokenizer:
    model = content["model"]
    if model.get("type") != "BPE" or not isinstance(model.get("vocab"), dict):
        raise InputError(
            f"{where}: a vocabulary of type {model.get('type')!r}.",
            key="tokenizer",
            value=model.get("type"),
            remedy="BPE vocabularies are read: Llama's, GPT-2's and their like.",
        )
    special = {str(token["content"]): int(token["id"]) for token in content.get("added_tokens") or []}
    if model.get("byte_fallback"):
        return _sentencepiece(content, config, special, stop_ids)
    return _byte_level(content, config, special, stop_ids, where)


def _byte_level(
    content: Json, config: Json, special: dict[str, int], stop_ids: Sequence[int], where: str
) -> Tokenizer:
    model = content["model"]
    patterns = _patterns(content.get("pre_tokenizer"), where)
    try:
        vocabulary = {from_letters(text): int(row) for text, row in model["vocab"].items() if text not in special}
        merges = [_pair(merge) for merge in model.get("merges") or []]
    except (KeyError, ValueError) as error:
        raise InputError(f"{where}: a token that is not written in bytes ({error}).", key="tokenizer") from None
    template = _template(config)
    bos, eos, pad = (_named(config, special, key) for key in ("bos_token", "eos_token", "pad_token"))
    tokenizer: Tokenizer | None = None
    if model.get("ignore_merges") and len(patterns) == 1:
        tokenizer = as_llama3(vocabulary, merges, special, patterns[0])
    if tokenizer is None:
        eos = next(iter(special.values()), 0) if eos is None else eos
        tokenizer = MergesTokenizer(
            vocabulary,
            merges,
            special,
            split_patterns=patterns,
            bos_id=eos if bos is None else bos,
            eos_id=eos,
            pad_id=pad,
            ignore_merges=bool(model.get("ignore_merges")),
            add_bos=_adds_bos(content),
            chat_template=template,
            extra_stop_ids=stop_ids,
        )
    return tokenizer


def as_llama3(
    vocabulary: dict[bytes, int], merges: Sequence[Merge], special: Mapping[str, int], pattern: str
) -> Tokenizer | None:
    """A tokenizer of Llama 3's kind, if these are one: ranks without a gap that the merges follow, all bytes, and
    special tokens behind them named as one of Meta's tables names them; otherwise None."""
    names = sorted(special, key=special.__getitem__)
    n_base, n_special = len(vocabulary), len(names)
    table = next((t for t in tables() if special_tokens(t, min(n_special, N_SPECIAL)) == names), None)
    in_order = [special[name] for name in names] == list(range(n_base, n_base + n_special))
    if table is None or not in_order or n_special < MIN_SPECIAL:
        return None
    if sorted(vocabulary.values()) != list(range(n_base)) or any(bytes([b]) not in vocabulary for b in range(256)):
        return None
    if not merges_follow_ranks(merges, vocabulary):
        return None
    return Tokenizer(vocabulary, n_special=n_special, table=table, split_pattern=pattern)


def _patterns(pre_tokenizer: Json | None, where: str) -> tuple[str, ...]:
    """The patterns that cut a text, in order; InputError for a way of cutting that is not known."""
    steps = [pre_tokenizer] if pre_tokenizer else []
    if pre_tokenizer and pre_tokenizer.get("type") == "Sequence":
        steps = list(pre_tokenizer["pretokenizers"])
    patterns: list[str] = []
    for step in steps:
        kind = step.get("type")
        pattern = step.get("pattern", {})
        if kind == "Split" and "Regex" in pattern and step.get("behavior") == "Isolated" and not step.get("invert"):
            patterns.append(pattern["Regex"])
        elif kind == "Digits" and step.get("individual_digits"):
            patterns.append(r"\p{N}")
        elif kind == "ByteLevel" and not step.get("add_prefix_space"):
            patterns += [GPT2_SPLIT_PATTERN] if step.get("use_regex", True) else []
        else:
            raise InputError(
                f"{where}: its pre-tokenizer cuts text in a way that is not read here ({kind}).",
                key="tokenizer",
                value=str(step)[:200],
            )
    if not steps or steps[-1].get("type") != "ByteLevel":
        raise InputError(f"{where}: a vocabulary that is not written in bytes.", key="tokenizer")
    return tuple(patterns)


def _pair(merge: str | Sequence[str]) -> Merge:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return from_letters(left), from_letters(right)


def _sentencepiece(content: Json, config: Json, special: dict[str, int], stop_ids: Sequence[int]) -> Tokenizer:
    """Merges become scores again: the earlier a piece is made, the higher."""
    model = content["model"]
    rows = {**model["vocab"], **special}
    pieces = sorted(rows, key=rows.__getitem__)
    score = dict.fromkeys(pieces, 0.0)
    for place, merge in enumerate(model.get("merges") or []):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        if score.get(left + right, 0.0) == 0.0:
            score[left + right] = -1.0 - place
    unknown = str(model.get("unk_token") or "<unk>")

    def kind(piece: str) -> int:
        if piece == unknown:
            return UNKNOWN
        if piece in special:
            return CONTROL
        return BYTE if len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">") else NORMAL

    bos, eos = (_named(config, special, key) for key in ("bos_token", "eos_token"))
    normalizer = content.get("normalizer") or content.get("pre_tokenizer") or {}
    return SentencePieceTokenizer(
        SentencePieceModel(
            pieces=tuple(pieces),
            scores=tuple(score[piece] for piece in pieces),
            types=tuple(kind(piece) for piece in pieces),
            unk_id=rows.get(unknown, 0),
            bos_id=rows.get("<s>", 1) if bos is None else bos,
            eos_id=rows.get("</s>", 2) if eos is None else eos,
            add_dummy_prefix=BLANK in str(_prefix(normalizer)),
        ),
        add_bos=_adds_bos(content),
        chat_template=_template(config),
        extra_stop_ids=stop_ids,
    )


def _prefix(normalizer: Json) -> str:
    """What a normalizer (or Metaspace pre-tokenizer) puts before a text."""
    steps = normalizer.get("normalizers") or [normalizer]
    for step in steps:
        if step.get("type") == "Prepend":
            return str(step.get("prepend", ""))
        if step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never":
            return BLANK
    return ""


def _named(config: Json, special: Mapping[str, int], key: str) -> int | None:
    """The id of the token that the config names, None where it names none."""
    value = config.get(key)
    name = value.get("content") if isinstance(value, dict) else value
    return special.get(str(name)) if name is not None else None


def _adds_bos(content: Json) -> bool:
    """Whether the post-processor puts a token before a text."""
    steps = content.get("post_processor") or {}
    for step in steps.get("processors") or [steps]:
        if step.get("type") == "TemplateProcessing" and "SpecialToken" in (step.get("single") or [{}])[0]:
            return True
    return False


def _template(config: Json) -> str | None:
    """The chat template; of several, the one named "default"."""
    value = config.get("chat_template")
    if isinstance(value, list):
        value = next((entry.get("template") for entry in value if entry.get("name") == "default"), None)
    return value if isinstance(value, str) else None
