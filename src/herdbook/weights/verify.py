"""Are these weights whole, and whose are they? A short report that can be shared: it names no folder of the user's.

Checks: settings against the published models, every tensor's shape, the count of parameters, the tokenizer, checksum
files that lie beside the weights, numbers that are not finite, matrices that are all zeros (a download with holes), and
logits on fixed prompts against transformers where it is installed and memory suffices.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from herdbook.model.args import PRESETS, ModelArgs
from herdbook.progress import Progress, Sink, quiet_sink
from herdbook.storage import CHUNK, sha256_bytes
from herdbook.tokenizer import Tokenizer
from herdbook.weights.checkpoint import Checkpoint
from herdbook.weights.locate import find_weights
from herdbook.weights.opening import open_checkpoint
from herdbook.weights.shapes import count_params
from herdbook.weights.tokenizer_files import tokenizer_of

Standing = Literal["ok", "bad", "not checked", "note"]
TITLES = {
    "llama3_8b": "Llama 3 8B", "llama3_70b": "Llama 3 70B", "llama3.1_8b": "Llama 3.1 8B",
    "llama3.1_70b": "Llama 3.1 70B", "llama3.1_405b": "Llama 3.1 405B", "llama3.2_1b": "Llama 3.2 1B",
    "llama3.2_3b": "Llama 3.2 3B", "llama2_7b": "Llama 2 7B",
}  # fmt: skip
VOCABULARIES = {
    "82e9d31979e92ab929cd544440f129d9ecd797b69e327f80f17e1c50d5551b55": "Llama 3's",
    "9e556afd44213b6bd1be2b850ebbbd98f5481437a8021afaf58ee7fb1818d347": "Llama 2's",
}
"""SHA-256 of Meta's `tokenizer.model` of both families."""
CHECKSUM_FILES = {"checklist.chk": "md5", "tokenizer_checklist.chk": "md5", "MD5SUMS": "md5", "SHA256SUMS": "sha256"}
HOLE_BYTES = 1 << 22
"""Zeros in a row that no training leaves: rows of unused tokens are fewer. A download with holes has them."""
_LINE = re.compile(r"([0-9a-fA-F]{32,64}) [ *]?(\S.*)")


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    what: str
    standing: Standing
    text: str


@dataclass
class Report:
    """All findings about a folder or file of weights."""

    findings: list[Finding] = field(default_factory=list)

    def add(self, what: str, standing: Standing, text: str) -> None:
        """Appends a line."""
        self.findings.append(Finding(what, standing, text))

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return all(finding.standing != "bad" for finding in self.findings)

    def __str__(self) -> str:
        marks = {"ok": "ok", "bad": "WRONG", "not checked": "-", "note": ""}
        lines = [f"{f.what:<12}{marks[f.standing]:<7}{f.text}" for f in self.findings]
        wrong = sum(finding.standing == "bad" for finding in self.findings)
        return "\n".join([*lines, "nothing wrong found" if self.ok else f"{wrong} of {len(lines)} checks failed"])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"ok": self.ok, "findings": [dataclasses.asdict(finding) for finding in self.findings]}


def verify(path: Path | str, *, logits: bool = True, sink: Sink = quiet_sink) -> Report:
    """Checks weights in any format. logits=False leaves the comparison with transformers out.

    Raises InputError where the weights cannot even be opened: a shard that is missing or cut off, a wrong shape.
    """
    checkpoint = open_checkpoint(find_weights(path))
    report = Report()
    size = sum(file.stat().st_size for file in checkpoint.files)
    n_files = len(checkpoint.files)
    report.add(
        "format", "note",
        f"{checkpoint.format}, {n_files} file{'s' * (n_files > 1)}, {size / 1e9:.2f} GB, {checkpoint.stored_as}",
    )  # fmt: skip
    report.add("model", "note", f"{recognise(checkpoint.args)}, {count_params(checkpoint.args):,} parameters")
    report.add("shapes", "ok", f"{len(checkpoint.shapes)} tensors, all there and of the right shape")
    report.add("RoPE", "note", _rope(checkpoint.args))
    for note in checkpoint.notes:
        report.add("left out", "note", note)
    tokenizer = tokenizer_of(checkpoint)
    report.findings.append(check_tokenizer(checkpoint, tokenizer))
    report.findings.append(check_sums(checkpoint))
    values = check_values(checkpoint, sink)
    report.findings.append(values)
    if not logits or values.standing == "bad":
        report.add("logits", "not checked", "left out" if not logits else "left out, the values being wrong")
    else:
        from herdbook.weights.verify_logits import check_logits

        report.findings += [Finding(*finding) for finding in check_logits(checkpoint, tokenizer)]
    return report


def recognise(args: ModelArgs) -> str:
    """The published model with these settings (length of context aside), or a description."""
    for name, preset in PRESETS.items():
        same = dataclasses.replace(
            args, max_seq_len=preset.max_seq_len, multiple_of=preset.multiple_of,
            ffn_dim_multiplier=preset.ffn_dim_multiplier,
        )  # fmt: skip
        if same == preset and args.ffn_dim == preset.ffn_dim:
            return f"{TITLES[name]} ({name})"
    return (
        f"none of Meta's (dim {args.dim}, {args.n_layers} layers, {args.n_heads} heads, {args.n_kv_heads} KV heads, "
        f"vocabulary {args.vocab_size:,})"
    )


def _rope(args: ModelArgs) -> str:
    scaling = args.rope_scaling
    text = f"theta {args.rope_theta:,.0f}, context {args.max_seq_len:,}"
    if scaling is None:
        return f"{text}, not scaled"
    return f"{text}, scaled by {scaling.factor:g} beyond {scaling.original_max_seq_len:,} tokens"


def check_tokenizer(checkpoint: Checkpoint, tokenizer: Tokenizer | None) -> Finding:
    """Whose vocabulary it is, and whether the embedding has a row for each token."""
    if tokenizer is None:
        return Finding("tokenizer", "not checked", "there is none beside the weights")
    if tokenizer.vocab_size > checkpoint.args.vocab_size:
        text = f"{tokenizer.vocab_size:,} tokens, but the embedding has {checkpoint.args.vocab_size:,} rows"
        return Finding("tokenizer", "bad", text)
    digest = _vocabulary_hash(checkpoint, tokenizer)
    known = VOCABULARIES.get(digest)
    meta_shaped = any(checkpoint.args.vocab_size == preset.vocab_size for preset in PRESETS.values())
    whose = known or "none of Meta's"
    text = f"{tokenizer.vocab_size:,} tokens, {whose}, sha256 {digest[:16]}"
    if tokenizer.family == "llama3":
        text += f", special tokens of {tokenizer.table}"
    if known is None and meta_shaped and recognise(checkpoint.args).startswith("Llama"):
        return Finding("tokenizer", "bad", f"{text}; a model of Meta's has another")
    if known and tokenizer.family == "llama3" and tokenizer.table != checkpoint.args.special_tokens:
        return Finding("tokenizer", "bad", f"{text}; such a model has those of {checkpoint.args.special_tokens}")
    return Finding("tokenizer", "ok" if known else "note", text)


def _vocabulary_hash(checkpoint: Checkpoint, tokenizer: Tokenizer) -> str:
    """SHA-256 of the vocabulary as Meta's file has it, whatever file it came from."""
    if tokenizer.family == "llama3":
        from herdbook.tokenizer.ranks_file import format_ranks

        return sha256_bytes(format_ranks(tokenizer.ranks))
    path = checkpoint.tokenizer_path
    assert path is not None
    file = path / "tokenizer.model" if (path / "tokenizer.model").is_file() else path
    if file.is_file():
        return _digest(file, "sha256")
    return _digest(path / "tokenizer.json", "sha256")


def check_sums(checkpoint: Checkpoint) -> Finding:
    """Compares files with the checksum files beside them."""
    folder = checkpoint.path if checkpoint.path.is_dir() else checkpoint.path.parent
    checked, wrong = 0, []
    for name, kind, digest in _sums(folder):
        if not (folder / name).is_file():
            wrong.append(f"{name} is missing")
            continue
        checked += 1
        if _digest(folder / name, kind) != digest.lower():
            wrong.append(f"{name} has another {kind}")
    if wrong:
        return Finding("checksums", "bad", "; ".join(wrong))
    if not checked:
        return Finding("checksums", "not checked", f"there is none of {', '.join(CHECKSUM_FILES)}")
    return Finding("checksums", "ok", f"{checked} files are as their checksums say")


def _sums(folder: Path) -> Iterator[tuple[str, str, str]]:
    """(file, kind, digest) of every line of the checksum files; names with a path in them are passed over."""
    for list_name, kind in CHECKSUM_FILES.items():
        path = folder / list_name
        if not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            match = _LINE.fullmatch(line.strip())
            if match and Path(match[2]).name == match[2]:
                yield match[2], kind, match[1]


def _digest(path: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def check_values(checkpoint: Checkpoint, sink: Sink = quiet_sink) -> Finding:
    """Reads every number once: NaN, infinite ones, matrices of zeros and long stretches of zeros in them."""
    total = sum(math.prod(shape) for shape in checkpoint.shapes.values())
    bad: list[str] = []
    with Progress(total / 1e6, "M numbers", "verify", sink) as bar:
        for name in checkpoint.shapes:
            n_bad, n_zero, longest, n = 0, 0, 0, math.prod(checkpoint.shapes[name])
            for rows in checkpoint.chunks(name):
                low, high = torch.aminmax(rows)  # NaN in one number is NaN in both
                if not (torch.isfinite(low) and torch.isfinite(high)):
                    n_bad += rows.numel() - int(torch.isfinite(rows).sum())
                elif low == 0 == high:
                    n_zero += rows.numel()
                    longest = max(longest, rows.nbytes)
                bar.update(rows.numel() / 1e6)
            if n_bad:
                bad.append(f"{name} has {n_bad} numbers that are not finite")
            elif n_zero == n:
                bad.append(f"{name} is all zeros")
            elif longest >= HOLE_BYTES:
                bad.append(f"{name} has a stretch of {n_zero:,} zeros")
    if bad:
        more = f"; and {len(bad) - 3} more tensors" if len(bad) > 3 else ""
        return Finding("values", "bad", "; ".join(bad[:3]) + more)
    return Finding("values", "ok", f"{total:,} numbers, all finite")
