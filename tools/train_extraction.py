"""Trains the classifier of page blocks and writes src/herdbook/curation/extract/block_weights.json.

    python tools/train_extraction.py FOLDER_OF_HTML_DATA

Learnt from: of Mozilla's readability test pages the sites whose name has an even hash (full gold texts), of
trafilatura's evaluation pages those whose URL has one, and postlight's fixtures; never a page of a site that has one
among the others, which are left for the benchmark. A block with a segment that must be there is text, one with a
segment that must not be is not; other blocks follow the gold text or, at less weight, trafilatura's two ways to read
the page. One configuration was checked by four-fold cross-validation over these pages, in folds by URL or name and not
strictly by site; `max_uncertainty` was chosen from it and from timings, `min_probability` is unchanged from before.
Needs the environment of the benchmarks (`make bench-deps`). Whether a second run gives the same bytes was not shown.
Shape letters as in classifier.py; G pages of a batch.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import re
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch
import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree
from torch import nn

from herdbook.curation.extract.blocks import blocks_of
from herdbook.curation.extract.classifier import AROUND, STEPS
from herdbook.curation.extract.features import FEATURES, Seen, seen_of
from herdbook.curation.extract.source import decode, with_tex

OUT = Path(__file__).resolve().parent.parent / "src/herdbook/curation/extract/block_weights.json"
WORD = re.compile(r"\w+")
HIDDEN, PASSED, OF_ALL, OF_NEAR = 32, 16, 8, 4
EPOCHS, BATCH, RATE, DECAY, DROPPED = 10, 8, 3e-3, 0.02, 0.1
OF_EVALUATION, OF_FIXTURE, OF_SEGMENT = 0.4, 0.3, 4.0
PAGES_OF_WORD = 10


def for_training(name: str) -> bool:
    """Whether a page (by its URL, or its site) is one to learn from."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def site(name: str) -> str:
    """The site of a readability test page: `bbc-1` and `bbc-2` are of one."""
    return re.sub(r"-\d+$", "", name)


def site_of_host(host: str) -> str:
    """`www.bbc.co.uk` is of site `bbc`; a blog among many is its own."""
    labels = [label for label in host.lower().split(".") if label not in ("www", "com", "co", "org", "net", "info")]
    if len(labels) > 1 and labels[-1] in ("wordpress", "blogspot", "blogger", "tumblr", "github"):
        return labels[-2]
    return labels[-1] if len(labels) == 1 or len(labels[-1]) > 3 else labels[-2]


def files_of(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}


def in_text(blocks: list[str], gold: str) -> np.ndarray:
    """Of each block whether most of its trigrams of words stand in the text; short blocks must be a line of it."""
    words = WORD.findall(gold.lower())
    trigrams = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
    lines = {" ".join(line.split()).strip(" -|") for line in gold.split("\n")}

    def one(block: str) -> bool:
        words = WORD.findall(block.lower())
        if len(words) < 3:
            return block in lines
        return sum(tuple(words[i : i + 3]) in trigrams for i in range(len(words) - 2)) / (len(words) - 2) > 0.6

    return np.array([one(block) for block in blocks], dtype=np.float32)


@dataclass
class Example:
    """A page to learn from: what is seen of it, label and weight of each block [B]."""

    seen: Seen
    labels: np.ndarray
    weights: np.ndarray


def example(page: bytes, gold: str | None, weight: float, with_: list[str] = (), without: list[str] = ()) -> Example:
    blocks, elements = blocks_of(HTMLTree.parse(with_tex(decode(page))))
    texts = [block.text for block in blocks]
    sizes = np.array([len(text) for text in texts], dtype=np.float32)
    if gold is not None:
        labels = in_text(texts, gold)
    else:
        read = [trafilatura.extract(page, include_comments=False, fast=fast) or "" for fast in (True, False)]
        labels = (in_text(texts, read[0]) + in_text(texts, read[1])) / 2
    weights = weight * np.sqrt(sizes) / 5 / np.sqrt(max(sizes.sum(), 1) / 10_000)
    must = np.array([any(segment and segment in text for segment in with_) for text in texts], dtype=bool)
    must_not = np.array([any(segment and segment in text for segment in without) for text in texts], dtype=bool)
    judged = must != must_not
    return Example(seen_of(blocks, elements), np.where(judged, must, labels), np.where(judged, OF_SEGMENT, weights))


def examples(data: Path) -> list[Example]:
    evaluation = json.loads(gzip.decompress((data / "trafilatura-eval" / "evaldata.json.gz").read_bytes()))
    cases = files_of(data / "readability-test-pages" / "pages.tar.xz")
    names = sorted({name.split("/")[-2] for name in cases})
    judged = {site(name) for name in names if not for_training(site(name))}
    judged |= {site_of_host(urlsplit(url).netloc) for url in evaluation if not for_training(url)}
    found = []
    for name in names:
        if site(name) not in judged:
            folder = f"test/test-pages/{name}"
            gold = extract_plain_text(decode(cases[f"{folder}/expected.html"]))
            found.append(example(cases[f"{folder}/source.html"], gold, 1.0))
    pages = {Path(name).name: page for name, page in files_of(data / "trafilatura-eval" / "pages.tar.xz").items()}
    for url, item in evaluation.items():
        if for_training(url) and site_of_host(urlsplit(url).netloc) not in judged and item["file"] in pages:
            found.append(example(pages[item["file"]], None, OF_EVALUATION, item["with"], item["without"]))
    for name, page in sorted(files_of(data / "postlight-fixtures" / "pages.tar.xz").items()):
        host = Path(name).name.removesuffix(".html").partition("--")[0]
        if name.endswith(".html") and site_of_host(host) not in judged:
            found.append(example(page, None, OF_FIXTURE))
    found = [one for one in found if len(one.labels)]
    print(f"{len(found)} pages, {sum(len(one.labels) for one in found)} blocks", flush=True)
    return found


class Network(nn.Module):
    """The network of classifier.py, for a batch of pages one after the other."""

    def __init__(self, n_words: int, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.all_words = nn.EmbeddingBag(n_words + 1, OF_ALL, mode="sum")
        self.near_words = nn.EmbeddingBag(n_words + 1, OF_NEAR, mode="sum")
        for bag in (self.all_words, self.near_words):
            nn.init.normal_(bag.weight, std=0.05)
        self.first = nn.Linear(len(mean) + OF_ALL + OF_NEAR, HIDDEN)
        self.passed = nn.Linear(HIDDEN, PASSED)
        self.second = nn.Linear(HIDDEN + PASSED * (len(STEPS) + 2), HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(DROPPED)

    def forward(self, x_BF: torch.Tensor, words: list, page_B: torch.Tensor, n_pages: int) -> torch.Tensor:
        bags = []
        for bag, (numbers, starts) in zip((self.all_words, self.near_words), words):
            bags.append(bag(torch.where(torch.rand(numbers.shape) < 0.1, 0, numbers), starts))
        h_BH = self.dropout(torch.tanh(self.first(torch.cat([(x_BF - self.mean) / self.scale, *bags], 1))))
        p_BP = torch.tanh(self.passed(h_BH))
        n = len(p_BP)
        columns = [h_BH]
        for step in STEPS:
            other = torch.arange(n) + step
            there = other.clamp(0, n - 1)
            same = (other == there) & (page_B[there] == page_B)
            columns.append(p_BP[there] * same[:, None])
        sizes_G = torch.bincount(page_B, minlength=n_pages)
        ends_G = sizes_G.cumsum(0)
        means_GP = torch.zeros(n_pages, PASSED).index_add(0, page_B, p_BP) / sizes_G.clamp(min=1)[:, None]
        columns.append(means_GP[page_B])
        sums = torch.cat([torch.zeros(1, PASSED), p_BP.cumsum(0)])
        low = torch.maximum(torch.arange(n) - AROUND, (ends_G - sizes_G)[page_B])
        high = torch.minimum(torch.arange(n) + AROUND + 1, ends_G[page_B])
        columns.append((sums[high] - sums[low]) / (2 * AROUND + 1))
        return self.output(torch.tanh(self.second(torch.cat(columns, 1))))[:, 0]


def bag_of(sets: list[frozenset[str]], numbers: dict[str, int]) -> tuple[list[int], list[int]]:
    flat: list[int] = []
    starts: list[int] = []
    for words in sets:
        starts.append(len(flat))
        flat += sorted(numbers[word] for word in words if word in numbers)
    return flat, starts


def train(pages: list[Example]) -> dict:
    """The weights, as their file has them."""
    count = Counter(word for page in pages for word in frozenset[str]().union(*page.seen.all_words))
    words = [word for word, n in sorted(count.items(), key=lambda item: (-item[1], item[0])) if n >= PAGES_OF_WORD]
    numbers = {word: number for number, word in enumerate(words, 1)}
    everything = np.concatenate([page.seen.columns for page in pages])
    mean, scale = torch.tensor(everything.mean(0)), torch.tensor(everything.std(0) + 1e-2)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = Network(len(words), mean, scale)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(pages) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    for epoch in range(EPOCHS):
        total = 0.0
        for places in torch.randperm(len(pages)).split(BATCH):
            batch = [pages[i] for i in places]
            of_batch = [
                bag_of([s for page in batch for s in sets(page.seen)], numbers)
                for sets in (lambda seen: seen.all_words, lambda seen: seen.near_words)
            ]
            bags = [(torch.tensor(flat, dtype=torch.long), torch.tensor(starts)) for flat, starts in of_batch]
            page_B = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor([len(p.labels) for p in batch]))
            x_BF = torch.tensor(np.concatenate([page.seen.columns for page in batch]))
            y_B = torch.tensor(np.concatenate([page.labels for page in batch]), dtype=torch.float32)
            w_B = torch.tensor(np.concatenate([page.weights for page in batch]), dtype=torch.float32)
            logits_B = network(x_BF, bags, page_B, len(batch))
            losses_B = nn.functional.binary_cross_entropy_with_logits(logits_B, y_B, reduction="none")
            loss = (losses_B * w_B).sum() / len(batch) / 60
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / len(pages):.4f}", flush=True)

    def plain(tensor: torch.Tensor) -> list:
        return np.round(tensor.detach().numpy().astype(np.float64), 4).tolist()

    return {
        "made_by": "tools/train_extraction.py",
        "pages": len(pages),
        "features": list(FEATURES),
        "words": words,
        "mean": plain(mean),
        "scale": plain(scale),
        "all_words": np.round(network.all_words.weight.detach().numpy().astype(np.float64), 3).tolist(),
        "near_words": np.round(network.near_words.weight.detach().numpy().astype(np.float64), 3).tolist(),
        "first": plain(network.first.weight.T),
        "first_bias": plain(network.first.bias),
        "passed": plain(network.passed.weight.T),
        "passed_bias": plain(network.passed.bias),
        "second": plain(network.second.weight.T),
        "second_bias": plain(network.second.bias),
        "output": plain(network.output.weight[0]),
        "output_bias": plain(network.output.bias)[0],
    }


def main() -> None:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    OUT.write_text(json.dumps(train(examples(Path(sys.argv[1])))) + "\n")


if __name__ == "__main__":
    main()
