"""Trains the classifiers of adult text and of toxicity; writes weights.bin and weights.json into curation/nsfw.

    python tools/train_nsfw.py [FOLDER_OF_DATA]          (default: HERDBOOK_TEST_DATA)

Toxicity: the training parts of those labelled sets whose licence allows it (tools/nsfw_sets.py), against passages of
English and Korean Wikipedia. Adult text: there is no labelled set to learn from, so positives are passages of clean
text in which words were replaced by entries of word lists (an entry in five is held out by its hash), negatives are
passages of clean text in 23 languages, those that speak of the same things counted fourfold, and harmless comments:
the classifier learns what an entry weighs beside what an encyclopaedia says. Logistic regression by AdaGrad;
same data, same weights.
"""

from __future__ import annotations

import json
import os
import re
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from nsfw_sets import SETS, articles, news, rows, sexual_words, share, word_lists

from herdbook.curation.heuristics import characters
from herdbook.curation.heuristics.words import WITHOUT_SPACES, texts_of
from herdbook.curation.nsfw import passages
from herdbook.curation.nsfw.classifier import HEADS, Weights, score

OUT = Path(__file__).resolve().parent.parent / "src/herdbook/curation/nsfw"
EPOCHS, RATE = 3, 0.3
HELP = {"cs": "cs", "da": "da", "de": "de", "es": "es", "fi": "fi", "fr": "fr", "hi": "hi", "hu": "hu", "it": "it",
        "ja": "ja", "nl": "nl", "pl": "pl", "pt": "pt-br", "ru": "ru", "sv": "sv", "tr": "tr"}  # fmt: skip
"""LibreOffice's help by language."""
NEWS = {"cs": "ces", "da": "dan", "de": "deu", "es": "spa", "fa": "fas", "fi": "fin", "fil": "fil",
        "fr": "fra", "hi": "hin", "hu": "hun", "it": "ita", "ja": "jpn", "nl": "nld", "no": "nob", "pl": "pol",
        "pt": "por", "ru": "rus", "sv": "swe", "th": "tha", "tr": "tur", "zh": "zho-CN"}  # fmt: skip
"""NTREX-128 by language; its first half is learnt from, English and Korean not at all."""
OFTEN = {"vicomtech-stormfront": (2.0, 3.0), "surge-toxicity": (3.0, 3.0)}
"""Weights of a harmless and of a toxic row of the small and hard sets."""


@numba.njit(cache=True)
def epoch(buckets, bounds, label, weight, order, W, G, bias, rate):
    """One pass of AdaGrad over logistic loss; features of a row are each worth 1 / √(their number)."""
    loss = 0.0
    for i in order:
        first, last = bounds[i], bounds[i + 1]
        if last == first:
            continue
        root = 1 / np.sqrt(last - first)
        z = bias[0]
        for k in range(first, last):
            z += W[buckets[k]] * root
        p = 1 / (1 + np.exp(-z))
        g = (p - label[i]) * weight[i]
        loss -= weight[i] * np.log(max(1e-9, p if label[i] else 1 - p))
        bias[1] += g * g
        bias[0] -= rate * g / np.sqrt(bias[1] + 1e-6)
        step = g * root
        for k in range(first, last):
            j = buckets[k]
            G[j] += step * step
            W[j] -= rate * step / np.sqrt(G[j] + 1e-6)
    return loss / len(order)


def fit(examples: list[tuple[str, int, float]], seed: int) -> tuple[np.ndarray, float]:
    """(weights [2**BITS], bias)."""
    texts = texts_of([text for text, _, _ in examples])
    tables = characters.table(), characters.lower_case(), passages.single_letters()
    buckets, bounds = passages.buckets_of(texts.data, texts.offsets_N1, *tables)
    label = np.array([float(y) for _, y, _ in examples])
    weight = np.array([w for _, _, w in examples])
    W, G, bias = np.zeros(1 << passages.BITS), np.zeros(1 << passages.BITS), np.zeros(2)
    rng = np.random.default_rng(seed)
    for number in range(EPOCHS):
        loss = epoch(buckets, bounds, label, weight, rng.permutation(len(label)), W, G, bias, RATE)
        print(f"  epoch {number + 1}: loss {loss:.4f} over {len(label)} rows", flush=True)
    return W, float(bias[0])


def cut(text: str) -> list[str]:
    """The passages of a text."""
    data = text.encode("utf-8", "replace")
    buffer, found, start = np.frombuffer(data, np.uint8), [], 0
    buffer.flags.writeable = False
    tables = characters.table(), characters.lower_case(), passages.single_letters()
    codes, hashes = np.empty(passages.CODES, np.uint64), np.empty(passages.CODES, np.uint64)
    while start < len(data):
        stop, _, _ = passages.read_passage(buffer, start, len(data), passages.MIN_BYTES, *tables, codes, hashes)
        found.append(data[start:stop].decode("utf-8", "replace"))
        start = stop
    return found


def speaking_of(entries: list[str], language: str) -> Callable[[str], bool]:
    """Whether a text says an entry: a word of it, in Korean and in scripts without spaces anywhere."""
    lowered = {entry.lower() for entry in entries}
    if language in (*WITHOUT_SPACES, "ko"):
        return lambda text: any(entry in text for entry in lowered)
    return lambda text: not lowered.isdisjoint(re.findall(r"\w+", text.lower()))


def wikipedia(data: Path, part: str, lists: dict[str, list[str]], per_article: int = 6) -> dict[str, list[str]]:
    """Passages by language of the articles of a part (half train, a tenth dev, the others test): some of each article,
    and of the English and Korean ones all that say a listed word."""
    found: dict[str, list[str]] = {"en": [], "ko": [], "zh": []}
    names = {"en": "enwiki-2015/enwiki-2015", "ko": "kowiki/kowiki-2023", "zh": "zhwiki-2024/zhwiki"}
    for language, name in names.items():
        says = speaking_of(lists[language], language)
        for key, _, text in articles(data / "text" / f"{name}.jsonl.gz"):
            if (
                not text
                or (language == "zh" and share(key) % 2)
                or part != ("train" if share(key) < 50 else "dev" if share(key) < 60 else "test")
            ):
                continue
            every = cut(text[:60_000])
            chosen = {share(f"{key}/{i}") * len(every) // 100 for i in range(per_article)}
            if language != "zh":
                chosen |= {i for i, passage in enumerate(every) if says(passage)}
            found[language] += [every[i] for i in sorted(chosen)]
    return found


def elsewhere(data: Path) -> dict[str, list[str]]:
    """Clean passages in other languages: help texts and the first half of the news."""
    found: dict[str, list[str]] = {}
    for language, name in HELP.items():
        texts = [t for _, _, t in articles(data / "text" / "libreoffice-help-7.4" / f"{name}.jsonl.gz")][:150]
        found.setdefault(language, []).extend(p for t in texts for p in cut(t)[:3])
    for language, name in NEWS.items():
        found.setdefault(language, []).extend(news(data, name)[:1000])
    return found


def adult(
    entries: list[str], counts: dict[str, int], clean: list[str], language: str, n: int, rng: np.random.Generator
) -> list[str]:
    """Clean passages in which a tenth to six tenths of the words were replaced by entries. An entry is drawn the more
    seldom the oftener clean text says it: what a lexicon calls by the same name is no sign of adult text."""
    weight = np.array([1 / (1 + counts[entry.lower()]) for entry in entries])
    weight /= weight.sum()
    glue = "" if language in WITHOUT_SPACES else " "
    made = []
    for _ in range(n):
        text = clean[rng.integers(len(clean))][:120]
        words = list(text) if glue == "" else text.split()
        rate = rng.uniform(0.1, 0.6)
        drawn = rng.choice(len(entries), size=len(words), p=weight)
        made.append(glue.join(entries[i] if rng.random() < rate else word for i, word in zip(drawn, words)))
    return made


def toxic_examples(data: Path, clean: dict[str, list[str]]) -> tuple[list[tuple[str, int, float]], dict]:
    def key(text: str) -> str:
        return "".join(text.lower().split())

    all_rows = {one.name: rows(data, one.name) for one in SETS}
    taken = {key(text) for found in all_rows.values() for text, _, part in found if part != "train"}
    examples, about = [], {}
    for one in (one for one in SETS if one.train):
        before = len(examples)
        for text, label, part in all_rows[one.name]:
            if part == "train" and key(text) not in taken:
                taken.add(key(text))
                examples.append((text, label, OFTEN.get(one.name, (1.0, 1.0))[label]))
        about[one.name] = {"rows": len(examples) - before, "license": one.license}
    examples += [(text, 0, 1.0) for language in ("en", "ko") for text in clean[language]]
    return examples, about


def adult_examples(
    lists: dict[str, list[str]], clean: dict[str, list[str]], harmless: list[str]
) -> list[tuple[str, int, float]]:
    rng = np.random.default_rng(0)
    examples = [(text, 0, 1.0) for text in harmless]
    # In any language, for many words of a lexicon are the same in several; a passage in four is enough.
    together = "\n".join(text for texts in clean.values() for text in texts[::4]).lower()
    counts = {entry: together.count(entry) for entry in {e.lower() for found in lists.values() for e in found}}
    for language in sorted(lists):
        entries = [entry for entry in lists[language] if share(entry) < 80]
        texts = clean.get(language, [])
        base = texts or clean["en"]
        n = 4000 if language in ("en", "ko") else min(1500, 12 * len(entries))
        examples += [(text, 1, 1.0) for text in adult(entries, counts, base, language, n, rng)]
        says = speaking_of(lists[language], language)
        examples += [(text, 0, 4.0 if says(text) else 1.0) for text in texts]
    return examples


def quantised(W: np.ndarray) -> tuple[np.ndarray, float]:
    """(int8, scale): the few weights beyond 127 steps are cut."""
    scale = float(np.quantile(np.abs(W[W != 0]), 0.9999)) / 127
    return np.clip(np.round(W / scale), -127, 127).astype(np.int8), scale


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["HERDBOOK_TEST_DATA"])
    lists = word_lists(data)
    lists["en"] = sorted({*lists["en"], *sexual_words(data)})
    clean = wikipedia(data, "train", lists)
    clean |= {language: clean.get(language, []) + texts for language, texts in elsewhere(data).items()}
    print({language: len(texts) for language, texts in clean.items()}, flush=True)
    toxic, about = toxic_examples(data, clean)
    heads = dict.fromkeys(HEADS)
    print("toxicity")
    heads["toxic"] = fit(toxic, 1)
    print("adult text")
    harmless = [text for text, label, _ in toxic[: sum(one["rows"] for one in about.values())] if not label]
    heads["nsfw"] = fit(adult_examples(lists, clean, harmless), 2)
    small = {head: quantised(heads[head][0]) for head in HEADS}
    table = np.stack([small[head][0] for head in HEADS], axis=1)
    scale, bias = (
        {h: float(v) for h, v in zip(HEADS, x)} for x in ([small[h][1] for h in HEADS], [heads[h][1] for h in HEADS])
    )
    (OUT / "weights.bin").write_bytes(zlib.compress(table.tobytes(), 9))
    stored = {
        "made_by": "tools/train_nsfw.py",
        "license": "CC BY-SA 4.0, for the sake of the share-alike sets among those it was made from",
        "bits": passages.BITS,
        "ngrams": [passages.SHORTEST, passages.LONGEST],
        "scale": scale,
        "bias": bias,
        "toxic_from": about,
        "nsfw_from": {
            "ldnoobw": "CC BY 4.0",
            "dsojevic-profanity-list": "MIT",
            "surge-profanity": "MIT",
        },
        "clean_from": {
            "English, Korean and Chinese Wikipedia": "CC BY-SA 3.0",
            "LibreOffice help 7.4": "MPL 2.0",
            "NTREX-128": "CC BY-SA 4.0",
        },
    }
    (OUT / "weights.json").write_text(json.dumps(stored, indent=1) + "\n")
    model = Weights(table, tuple(scale.values()), tuple(bias.values()))
    report(data, model, lists)


def report(data: Path, model: Weights, lists: dict[str, list[str]]) -> None:
    """Dev parts only: what settings are chosen by."""
    for one in SETS:
        dev = [(text, label) for text, label, part in rows(data, one.name) if part == "dev"]
        found = score(texts_of([text for text, _ in dev]), model)
        p = np.array([found.probability_P2[a:b, 1].max() for a, b in zip(found.bounds_N1, found.bounds_N1[1:])])
        y = np.array([label for _, label in dev])
        order = np.argsort(p, kind="stable")
        ranks = np.empty(len(p))
        ranks[order] = np.arange(len(p))
        n1 = y.sum()
        auc = (ranks[y == 1].sum() - n1 * (n1 - 1) / 2) / (n1 * (len(y) - n1))
        cuts = "  ".join(f"{c}: {(p[y == 1] > c).mean():.2f}/{(p[y == 0] > c).mean():.3f}" for c in (0.5, 0.6, 0.7))
        print(f"{one.name:28s} AUC {auc:.3f}  recall/false {cuts}")
    for language, texts in wikipedia(data, "dev", lists, 20).items():
        p = score(texts_of(texts), model).probability_P2
        over = (p > 0.5).mean(0)
        print(f"wikipedia {language}: passages over 0.5: nsfw {over[0]:.4f} toxic {over[1]:.4f}")


if __name__ == "__main__":
    main()
