"""Trains the classifier of page blocks and writes src/herdbook/curation/extract/block_weights.json.

    python tools/train_extraction.py FOLDER_OF_HTML_DATA

Labels: the full gold texts of Mozilla's readability test pages; of trafilatura's evaluation pages those whose URL has
an even hash (the others are left for the benchmark): a block with a segment that must be there is text, one with a
segment that must not be is not, all others follow trafilatura's output at less weight.
Needs the environment of the benchmarks (`make bench-deps`). Same data, same weights.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from herdbook.curation.extract.blocks import FEATURES, blocks_of, features
from herdbook.curation.extract.source import decode, with_tex

OUT = Path(__file__).resolve().parent.parent / "src/herdbook/curation/extract/block_weights.json"
WORD = re.compile(r"\w+")
HIDDEN, EPOCHS, OF_TRAFILATURA, OF_SEGMENT = 32, 10, 0.4, 4.0


def for_training(url: str) -> bool:
    """Whether an evaluation page is one to learn from."""
    return hashlib.sha256(url.encode()).digest()[0] % 2 == 0


def files_of(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}


def in_text(block: str, text_trigrams: set, lines: set) -> bool:
    """Whether most of a block's trigrams of words stand in the text; short blocks must be a line of it."""
    words = WORD.findall(block.lower())
    if len(words) < 3:
        return block in lines
    return sum(tuple(words[i : i + 3]) in text_trigrams for i in range(len(words) - 2)) / (len(words) - 2) > 0.6


def labelled(page: bytes, gold: str, weight: float, with_: list[str] = (), without: list[str] = ()) -> list:
    """(features, label, weight) of each block."""
    blocks = blocks_of(HTMLTree.parse(with_tex(decode(page))))
    words = WORD.findall(gold.lower())
    trigrams = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
    lines = {" ".join(line.split()).strip(" -") for line in gold.split("\n")}
    total = sum(len(block.text) for block in blocks)
    rows = []
    for block, row in zip(blocks, features(blocks)):
        must = any(segment and segment in block.text for segment in with_)
        must_not = any(segment and segment in block.text for segment in without)
        if must != must_not:
            rows.append((row, must, OF_SEGMENT))
        else:
            size = weight * np.sqrt(len(block.text)) / 5 / np.sqrt(total / 10_000)
            rows.append((row, in_text(block.text, trigrams, lines), size))
    return rows


def main() -> None:
    data = Path(sys.argv[1])
    rows = []
    pages = files_of(data / "readability-test-pages" / "pages.tar.xz")
    for name in sorted(name for name in pages if name.endswith("/source.html")):
        gold = extract_plain_text(decode(pages[name.replace("source.html", "expected.html")]))
        rows += labelled(pages[name], gold, 1.0)
    evaluation = json.loads(gzip.decompress((data / "trafilatura-eval" / "evaldata.json.gz").read_bytes()))
    pages = {Path(name).name: page for name, page in files_of(data / "trafilatura-eval" / "pages.tar.xz").items()}
    for url, item in evaluation.items():
        if for_training(url) and item["file"] in pages:
            page = pages[item["file"]]
            gold = trafilatura.extract(page, include_comments=False) or ""
            rows += labelled(page, gold, OF_TRAFILATURA, item["with"], item["without"])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x = torch.tensor(np.array([row for row, _, _ in rows]))
    y = torch.tensor([float(label) for _, label, _ in rows])
    w = torch.tensor([float(weight) for _, _, weight in rows])
    mean, scale = x.mean(0), x.std(0) + 1e-3
    x = (x - mean) / scale
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    for epoch in range(EPOCHS):
        total = 0.0
        for places in torch.randperm(len(x)).split(512):
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                model(x[places])[:, 0], y[places], reduction="none"
            )
            loss = (losses * w[places]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(places)
        print(f"epoch {epoch + 1}: loss {total / len(x):.4f}", flush=True)

    def plain(tensor: torch.Tensor) -> list:
        return np.round(tensor.detach().numpy().astype(np.float64), 4).tolist()

    stored = {
        "made_by": "tools/train_extraction.py",
        "blocks": len(x),
        "features": list(FEATURES),
        "mean": plain(mean),
        "scale": plain(scale),
        "hidden": plain(model[0].weight.T),
        "hidden_bias": plain(model[0].bias),
        "output": plain(model[2].weight[0]),
        "output_bias": plain(model[2].bias)[0],
    }
    OUT.write_text(json.dumps(stored) + "\n")


main()
