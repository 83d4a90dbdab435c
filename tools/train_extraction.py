"""Trains the classifier of page blocks and writes src/herdbook/curation/extract/block_weights.json.

    python tools/train_extraction.py FOLDER_OF_DATA

Learnt from: Mozilla's readability test pages (full gold texts), trafilatura's evaluation pages and postlight's
fixtures, as `benchmarks/_extract_pages.py` reads them. A block with a segment that must be there is text, one with a
segment that must not be is not; other blocks follow the gold text or, at less weight, trafilatura's two ways to read
the page. The package's weights have learnt from all pages; for each fold of sites there is another network that has
learnt from the other folds alone, in benchmarks/extract_folds.json.gz, and with those the benchmark measures.
What a second reading promises is a ridge regression on `doubts_of`, of pages as networks of other folds read them.
Shape letters as in classifier.py; G pages of a batch.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
import trafilatura
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree
from torch import nn

from herdbook.curation.extract.blocks import Blocks, Elements, blocks_of
from herdbook.curation.extract.classifier import AROUND, STEPS, Weights, chosen, text_probabilities, weights_from
from herdbook.curation.extract.doubt import DOUBTS, doubts_of
from herdbook.curation.extract.features import FEATURES, Seen, seen_of
from herdbook.curation.extract.page import Config, text_of
from herdbook.curation.extract.source import decode, with_tex
from herdbook.curation.extract.words import first_words_of, names_of, vocabulary_of
from herdbook.curation.steps.normalise import normalise_text

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from _extract_pages import FOLDS, Known, f1, known_pages, word_f1  # noqa: E402

OUT = ROOT / "src/herdbook/curation/extract/block_weights.json"
OUT_FOLDS = ROOT / "benchmarks/extract_folds.json.gz"
WORD = re.compile(r"\w+")
HIDDEN, PASSED, OF_ALL, OF_NEAR, OF_TEXT = 32, 16, 8, 4, 4
EPOCHS, BATCH, RATE, DECAY, DROPPED, WORDS_DROPPED = 8, 8, 3e-3, 0.05, 0.25, 0.25
OF_EVALUATION, OF_FIXTURE, OF_SEGMENT = 0.4, 0.3, 4.0
RIDGE = 0.03
SITES_OF_NAME, SITES_OF_WORD = 10, 15


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
    """A page to learn from: its blocks and elements, label and weight of each block [B], the words there are."""

    known: Known
    blocks: Blocks
    elements: Elements
    labels: np.ndarray
    weights: np.ndarray
    names: frozenset[str]
    words: frozenset[str]
    second: str


def second_texts(page: Known) -> tuple[str, str]:
    """What trafilatura reads in its two ways, the fast one first."""
    text = with_tex(decode(page.source))
    fast, careful = (trafilatura.extract(text, include_comments=False, fast=fast) or "" for fast in (True, False))
    return fast, careful


def example(page: Known) -> Example:
    """The labelled blocks of a page; they follow its gold text, or trafilatura's two."""
    second = second_texts(page)
    follow = second if page.gold is None else [extract_plain_text(page.gold_html)]
    blocks, elements = blocks_of(HTMLTree.parse(with_tex(decode(page.source))))
    texts = [blocks.text(i) for i in range(len(blocks))]
    sizes = np.array([len(text) for text in texts], dtype=np.float32)
    labels = np.mean([in_text(texts, text) for text in follow], axis=0)
    weight = {"gold": 1.0, "segments": OF_EVALUATION, "fixtures": OF_FIXTURE}[page.kind]
    weights = weight * np.sqrt(sizes) / 5 / np.sqrt(max(sizes.sum(), 1) / 10_000)
    must = np.array([any(segment in text for segment in page.must) for text in texts], dtype=bool)
    must_not = np.array([any(segment in text for segment in page.must_not) for text in texts], dtype=bool)
    judged = must != must_not
    names: set[str] = set()
    for i in range(len(elements)):
        names |= names_of(elements.tag(i), elements.source(i))
    words = set().union(*map(first_words_of, texts)) if texts else set()
    labels, weights = np.where(judged, must, labels), np.where(judged, OF_SEGMENT, weights)
    return Example(page, blocks, elements, labels, weights, frozenset(names), frozenset(words), second[0])


class Network(nn.Module):
    """The network of classifier.py, for a batch of pages one after the other."""

    def __init__(self, n_names: int, n_words: int, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.mean, self.scale = mean, scale
        self.all_names = nn.EmbeddingBag(n_names + 1, OF_ALL, mode="sum")
        self.near_names = nn.EmbeddingBag(n_names + 1, OF_NEAR, mode="sum")
        self.text_words = nn.EmbeddingBag(n_words + 1, OF_TEXT, mode="sum")
        for bag in (self.all_names, self.near_names, self.text_words):
            nn.init.normal_(bag.weight, std=0.05)
        self.first = nn.Linear(len(mean) + OF_ALL + OF_NEAR + 2 * OF_TEXT, HIDDEN)
        self.passed = nn.Linear(HIDDEN, PASSED)
        self.second = nn.Linear(HIDDEN + PASSED * (len(STEPS) + 2), HIDDEN)
        self.output = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(DROPPED)

    def forward(self, batch: Batch) -> torch.Tensor:
        columns = [(batch.x_BF - self.mean) / self.scale]
        for bag, (numbers, starts) in zip((self.all_names, self.near_names, self.text_words), batch.bags):
            columns.append(bag(torch.where(torch.rand(numbers.shape) < WORDS_DROPPED, 0, numbers), starts))
        of_heading = torch.cat([columns[-1], torch.zeros(1, OF_TEXT)])[batch.headings_B]
        h_BH = self.dropout(torch.relu(self.first(torch.cat([*columns, of_heading], 1))))
        p_BP = torch.relu(self.passed(h_BH))
        n = len(p_BP)
        page_B, n_pages = batch.page_B, batch.n_pages
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
        return self.output(torch.relu(self.second(torch.cat(columns, 1))))[:, 0]


@dataclass
class Batch:
    """Pages one after the other: columns [B, F], bags of names and words (numbers, starts), last headings [B] (the last
    place, where nothing stands, for none), pages [B], labels [B] and weights [B]."""

    x_BF: torch.Tensor
    bags: list[tuple[torch.Tensor, torch.Tensor]]
    headings_B: torch.Tensor
    page_B: torch.Tensor
    y_B: torch.Tensor
    w_B: torch.Tensor
    n_pages: int


@numba.njit(cache=True)
def _path_words(numbers, offsets, parents, elements, levels, size, out, out_offsets):  # type: ignore[no-untyped-def]
    """Different words of the elements of blocks and of `levels` above each; counts only where `out` is empty."""
    stamps = np.zeros(size, dtype=np.int64)
    n = 0
    for block in range(len(elements)):
        out_offsets[block] = n
        element = elements[block]
        for _ in range(levels + 1):
            for w in range(offsets[element], offsets[element + 1]):
                if stamps[numbers[w]] != block + 1:
                    stamps[numbers[w]] = block + 1
                    if len(out):
                        out[n] = numbers[w]
                    n += 1
            if element == 0:
                break
            element = parents[element]
    out_offsets[len(elements)] = n
    return n


def bags_of(seen: Seen, n_names: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each block the numbers of all names around it, of the near ones, and of its words: (numbers, offsets)."""
    bags = []
    for levels in (1_000_000, 1):
        offsets = np.empty(len(seen) + 1, dtype=np.int64)
        found = seen.names.numbers_W, seen.names.offsets, seen.parents, seen.elements, levels, n_names + 1
        out = np.empty(_path_words(*found, np.empty(0, np.int64), offsets), dtype=np.int64)
        if len(out):
            _path_words(*found, out, offsets)
        bags.append((out, offsets))
    return [*bags, (seen.words.numbers_W, seen.words.offsets)]


def batch_of(pages: list[tuple[Example, Seen, list[tuple[np.ndarray, np.ndarray]]]]) -> Batch:
    """Some pages as one batch."""
    total = sum(len(seen) for _, seen, _ in pages)
    bags = []
    for which in range(3):
        numbers = np.concatenate([of_page[which][0] for _, _, of_page in pages])
        sizes = np.concatenate([np.diff(of_page[which][1]) for _, _, of_page in pages])
        bags.append((torch.tensor(numbers), torch.tensor(np.cumsum(sizes) - sizes)))
    headings, before = [], 0
    for _, seen, _ in pages:
        headings.append(np.where(seen.headings < 0, total, seen.headings + before))
        before += len(seen)

    def joined(arrays: list[np.ndarray]) -> torch.Tensor:
        return torch.tensor(np.concatenate(arrays), dtype=torch.float32)

    return Batch(
        x_BF=joined([seen.columns for _, seen, _ in pages]), bags=bags,
        headings_B=torch.tensor(np.concatenate(headings)),
        page_B=torch.repeat_interleave(torch.arange(len(pages)), torch.tensor([len(seen) for _, seen, _ in pages])),
        y_B=joined([page.labels for page, _, _ in pages]), w_B=joined([page.weights for page, _, _ in pages]),
        n_pages=len(pages),
    )  # fmt: skip


def frequent(sites: list[str], sets: list[frozenset[str]], least: int) -> list[str]:
    """The words that pages of so many sites have, the most frequent first."""
    of_sites: dict[str, set[str]] = {}
    for site, words in zip(sites, sets):
        of_sites.setdefault(site, set()).update(words)
    count = Counter(word for words in of_sites.values() for word in words)
    return [word for word, n in sorted(count.items(), key=lambda item: (-item[1], item[0])) if n >= least]


def train(pages: list[Example], seed: int = 0) -> dict[str, Any]:
    """The weights, as their file has them."""
    sites = [page.known.site for page in pages]
    names = frequent(sites, [page.names for page in pages], SITES_OF_NAME)
    words = frequent(sites, [page.words for page in pages], SITES_OF_WORD)
    of_names, of_words = vocabulary_of(names), vocabulary_of(words)
    seen = [seen_of(page.blocks, page.elements, of_names, of_words) for page in pages]
    ready = [(page, one, bags_of(one, len(names))) for page, one in zip(pages, seen)]
    everything = np.concatenate([one.columns for one in seen])
    mean, scale = torch.tensor(everything.mean(0)), torch.tensor(everything.std(0) + 1e-2)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = Network(len(names), len(words), mean, scale)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(pages) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.15)
    for epoch in range(EPOCHS):
        total = 0.0
        for places in torch.randperm(len(pages)).split(BATCH):
            batch = batch_of([ready[i] for i in places])
            losses_B = nn.functional.binary_cross_entropy_with_logits(network(batch), batch.y_B, reduction="none")
            loss = (losses_B * batch.w_B).sum() / batch.n_pages / 60
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item() * batch.n_pages
        print(f"epoch {epoch + 1}: loss {total / len(pages):.4f}", flush=True)

    def plain(tensor: torch.Tensor, digits: int = 4) -> list:
        return np.round(tensor.detach().numpy().astype(np.float64), digits).tolist()

    return {
        "made_by": "tools/train_extraction.py",
        "pages": len(pages),
        "features": list(FEATURES),
        "names": names,
        "words": words,
        "mean": plain(mean),
        "scale": plain(scale),
        "all_names": plain(network.all_names.weight, 3),
        "near_names": plain(network.near_names.weight, 3),
        "text_words": plain(network.text_words.weight, 3),
        "first": plain(network.first.weight.T),
        "first_bias": plain(network.first.bias),
        "passed": plain(network.passed.weight.T),
        "passed_bias": plain(network.passed.bias),
        "second": plain(network.second.weight.T),
        "second_bias": plain(network.second.bias),
        "output": plain(network.output.weight[0]),
        "output_bias": plain(network.output.bias)[0],
    }


def score(page: Known, text: str) -> float:
    """The F1 of one text: of its words, or of its segments."""
    if page.gold is not None:
        return word_f1(text, page.gold)
    found, wrong = sum(one in text for one in page.must), sum(one in text for one in page.must_not)
    return f1(found, found + wrong, len(page.must))


def doubt(page: Example, network: Weights) -> tuple[np.ndarray, float]:
    """(what there is to doubt about the first reading [D], the F1 that the second gains)."""
    seen = seen_of(page.blocks, page.elements, network.of_names, network.of_words)
    probabilities = text_probabilities(seen, network)
    threshold = Config().min_probability
    text = normalise_text(text_of(page.blocks, chosen(probabilities, threshold)))
    gain = score(page.known, normalise_text(page.second) or text) - score(page.known, text)
    return doubts_of(page.blocks, seen, probabilities, threshold), gain


def ridge(pages: list[Known], rows: np.ndarray, gains: np.ndarray) -> dict[str, Any]:
    """The linear function from doubts to gains; pages with gold texts weigh as much together as those with segments."""
    gold = np.array([page.gold is not None for page in pages])
    weights = np.where(gold, 0.5 / max(gold.sum(), 1), 0.5 / max((~gold).sum(), 1))
    mean, scale = rows.mean(0), rows.std(0) + 1e-6
    x = np.concatenate([(rows - mean) / scale, np.ones((len(rows), 1))], axis=1)
    found = np.linalg.solve((x * weights[:, None]).T @ x + RIDGE * np.eye(x.shape[1]), (x * weights[:, None]).T @ gains)
    slopes = found[:-1] / scale
    return {"doubts": list(DOUBTS), "gain": slopes.tolist(), "gain_bias": float(found[-1] - slopes @ mean)}


def main() -> None:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = [example(page) for page in known_pages(Path(sys.argv[1]))]
    found = [one for one in found if len(one.labels)]
    print(f"{len(found)} pages, {sum(len(one.labels) for one in found)} blocks", flush=True)
    folds = [train([one for one in found if one.known.fold != fold]) for fold in range(FOLDS)]
    judged = [one for one in found if one.known.kind != "fixtures"]
    networks = [weights_from(fold) for fold in folds]
    doubted = [doubt(one, networks[one.known.fold]) for one in judged]
    rows, gains = np.array([row for row, _ in doubted]), np.array([gain for _, gain in doubted])
    for number, fold in enumerate(folds):
        others = np.array([one.known.fold != number for one in judged])
        fold |= ridge([one.known for one, other in zip(judged, others) if other], rows[others], gains[others])
    OUT_FOLDS.write_bytes(gzip.compress(json.dumps(folds).encode(), mtime=0))
    OUT.write_text(json.dumps(train(found) | ridge([one.known for one in judged], rows, gains)) + "\n")


if __name__ == "__main__":
    main()
