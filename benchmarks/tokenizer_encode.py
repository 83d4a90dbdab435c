"""Megabytes a second of text to ids, one thread: herdbook, tiktoken, tokenizers and other fast libraries.

All encode the same documents (English, code, many languages) with Llama 3's vocabulary. Ids are compared with
tiktoken's document by document, and the table says where they differ. cold: the first pass of a fresh encoder in a
process of its own, after one short text (memory that an earlier encoder has left behind makes a first pass up to twice
as fast); warm: a later pass. Times are of the processor, contestants in turns.
Not in the table, because they cannot take a vocabulary: bpe-openai, rs-bpe (OpenAI's vocabularies only), quicktok (no
split pattern).
"""

import gc
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent))
from _bench import median_and_spread, ratio, save, start, table
from _texts import KINDS, documents, n_bytes

MODEL = "tokenizer/llama3_tokenizer.model"
SHARES = {"tokenizers": 8, "tiktoken": 4, "herdbook without gigatoken": 4, "riptoken": 4, "tokie": 2}
"""These get one of so many documents: their speed does not depend on how much there is."""

LEFT_OUT = ("herdbook without gigatoken", "tokie")
"""Not in the quick measure, for the time that it takes to set them up."""

WARM_UP = "They'll drink é."
"""What a fresh encoder gets before its first pass: code is loaded, nothing of the texts is known."""

Encode = Callable[[list[str]], Any]


def makers(ranks: dict[bytes, int], description: str) -> dict[str, Callable[[], Encode]]:
    """Name -> a function that sets an encoder up afresh; the encoder returns one row of ids a document."""
    import gigatoken
    import riptoken
    import tiktoken
    import tokenizers
    import tokie

    from herdbook.tokenizer import Tokenizer
    from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN

    def herdbook() -> Encode:
        tokenizer = Tokenizer(ranks)
        tokenizer.use_engine("gigatoken")
        return lambda texts: tokenizer.encode_flat(texts, threads=1)

    def herdbook_without() -> Encode:
        tokenizer = Tokenizer(ranks)
        tokenizer.use_engine("tiktoken")
        return lambda texts: tokenizer.encode_batch(texts, threads=1)

    def raw_gigatoken() -> Encode:
        raw = gigatoken.Tokenizer.from_json(description).backend
        return lambda texts: raw.encode_batch(texts, parallel=False)

    def raw_tiktoken() -> Encode:
        raw = tiktoken.Encoding("x", pat_str=LLAMA3_SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens={})
        return lambda texts: [raw.encode_ordinary(text) for text in texts]

    def hugging_face() -> Encode:
        raw = tokenizers.Tokenizer.from_str(description)
        return lambda texts: [row.ids for row in raw.encode_batch_fast(texts, add_special_tokens=False)]

    def rip() -> Encode:
        raw = riptoken.CoreBPE(ranks, {}, LLAMA3_SPLIT_PATTERN)
        return lambda texts: [raw.encode_ordinary(text) for text in texts]

    def tokie_() -> Encode:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            path.write_text(description, "utf-8")
            raw = tokie.Tokenizer.from_json(str(path))
        return lambda texts: [list(raw.encode(text, add_special_tokens=False).ids) for text in texts]

    return {
        "herdbook": herdbook,
        "herdbook without gigatoken": herdbook_without,
        "gigatoken": raw_gigatoken,
        "tokie": tokie_,
        "riptoken": rip,
        "tokenizers": hugging_face,
        "tiktoken": raw_tiktoken,
    }


def herdbook_loaded() -> None:
    """What herdbook compiles, once a machine, and loads, once a process."""
    import numpy as np

    from herdbook.tokenizer.disputed_kernel import first_disputed

    none = np.zeros(0, dtype=np.int64)
    first_disputed(np.zeros(8, dtype=np.uint8), none, none)


def rows_of(answer: Any) -> list[list[int]]:
    """One list of ids a document, whatever a contestant answers."""
    if isinstance(answer, tuple):
        flat, offsets = answer
        return [flat[a:b].tolist() for a, b in pairwise(offsets)]
    return answer.to_list() if hasattr(answer, "to_list") else answer


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer


def cold_pass(make: Callable[[], Encode], texts: list[str], expected: list[list[int]]) -> tuple[float, int]:
    """(seconds of the first pass of an encoder that has seen one short text, documents whose ids are not as expected),
    found by a process of its own. The processes before must not have started an encoder with threads."""

    def child(answer: Any) -> None:
        encode = make()
        encode([WARM_UP])
        spent, rows = seconds(lambda: encode(texts))
        answer.send((spent, sum(a != b for a, b in zip(rows_of(rows), expected, strict=True))))

    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    there.close()
    answer: tuple[float, int] = here.recv()
    process.join()
    return answer


def main() -> None:
    options = start(__doc__.splitlines()[0])
    size, rounds = (1.2e6, 3) if options.quick else (16e6, 5)
    from herdbook.tokenizer import Tokenizer
    from herdbook.tokenizer.hf_export import byte_level_json

    model = options.data / MODEL
    ranks = Tokenizer.load(model).ranks
    contestants = makers(ranks, json.dumps(byte_level_json(ranks)))
    if options.quick:
        for name in LEFT_OUT:
            del contestants[name]
    texts = {kind: documents(options.data, kind, size) for kind in KINDS}
    share = {name: SHARES.get(name, 1) for name in contestants}
    megabytes = {(name, kind): n_bytes(texts[kind][:: share[name]]) / 1e6 for name in contestants for kind in KINDS}
    cold: dict[tuple[str, str], list[float]] = {key: [] for key in megabytes}
    warm: dict[tuple[str, str], list[float]] = {key: [] for key in megabytes}
    differ = dict.fromkeys(megabytes, 0)
    names = list(contestants)
    reference_encoder = contestants["tiktoken"]()
    reference = {kind: rows_of(reference_encoder(texts[kind])) for kind in KINDS}
    herdbook_loaded()
    gc.freeze()  # a process of its own does not write to what it inherits
    for kind in KINDS:
        for _ in range(1 if options.quick else 3):
            for name in names:
                every = slice(None, None, share[name])
                spent, differ[name, kind] = cold_pass(contestants[name], texts[kind][every], reference[kind][every])
                cold[name, kind].append(megabytes[name, kind] / spent)
    gc.unfreeze()
    encoders = {name: contestants[name]() for name in names}
    for kind in KINDS:
        for name in names:
            encoders[name](texts[kind][:: share[name]])
        for turn in range(rounds):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                mine = texts[kind][:: share[name]]
                spent, _ = seconds(lambda: encoders[name](mine))  # noqa: B023
                warm[name, kind].append(megabytes[name, kind] / spent)

    rows, results = [], []
    for kind in KINDS:
        for name in names:
            (c, _), (w, spread) = median_and_spread(cold[name, kind]), median_and_spread(warm[name, kind])
            n = len(texts[kind][:: share[name]])
            same = "same" if not differ[name, kind] else f"{differ[name, kind]} of {n} differ"
            rows.append([kind, name, c, w, f"{spread:.0%}", same])
            results.append(
                {"text": kind, "encoder": name, "cold_mb_s": c, "warm_mb_s": w, "warm_spread": spread, "ids": same}
            )
    print(table(["text", "encoder", "cold MB/s", "warm MB/s", "spread", "ids"], rows))
    import importlib.metadata

    engines = {n: importlib.metadata.version(n) for n in ("gigatoken", "tiktoken", "tokenizers", "tokie", "riptoken")}
    sizes = ", ".join(f"{kind} {n_bytes(t) / 1e6:.1f} MB" for kind, t in texts.items())
    print(f"\n{sizes}; one thread, processor time; {', '.join(f'{n} {v}' for n, v in engines.items())}")
    two = scaling(Tokenizer(ranks), texts["multilingual"])
    for what, times in two.items():
        print(f"batches of {what} on two threads: {times:.2f} times one thread (wall time, {os.cpu_count()} cores)")
    save("tokenizer_encode", options, {"rows": results, "engines": engines, "two_threads": two, "texts": sizes})

    def total(name: str, rates: dict[tuple[str, str], list[float]]) -> float:
        """Megabytes a second over all three kinds, the same number of bytes of each."""
        return len(KINDS) / sum(1 / median_and_spread(rates[name, kind])[0] for kind in KINDS)

    for what, times in two.items():
        ratio("herdbook-one-thread", f"batch of {what} two threads", times)
    for name in [n for n in ("gigatoken", "tokie", "riptoken", "tokenizers") if n in contestants]:
        ratio(name, "warm", total("herdbook", warm) / total(name, warm))
    for kind in KINDS:
        for what, rates in (("cold", cold), ("warm", warm)):
            mine, other = median_and_spread(rates["herdbook", kind])[0], median_and_spread(rates["tiktoken", kind])[0]
            ratio("tiktoken", f"{kind} {what}", mine / other)
    ratio("tiktoken", "all cold", total("herdbook", cold) / total("tiktoken", cold))
    ratio("tiktoken", "all warm", total("herdbook", warm) / total("tiktoken", warm))


def scaling(tokenizer: Any, texts: list[str]) -> dict[str, float]:
    """Wall time of a warm batch on one thread over that on two, each at its best: of texts as Python holds them, and of
    the same in UTF-8."""
    from herdbook.tokenizer import engines

    engines.WORTH_ANOTHER = 0
    tokenizer.use_engine("gigatoken")
    batches = {"texts": texts, "UTF-8": [text.encode() for text in texts]}
    for threads in (1, 2, 2):
        tokenizer.encode_flat(texts, threads=threads)
    best: dict[tuple[str, int], float] = {}
    for what, threads in [(what, threads) for _ in range(8) for what in batches for threads in (1, 2)]:
        began = time.perf_counter()
        tokenizer.encode_flat(batches[what], threads=threads)
        spent = time.perf_counter() - began
        best[what, threads] = min(best.get((what, threads), spent), spent)
    return {what: best[what, 1] / best[what, 2] for what in batches}


if __name__ == "__main__":
    main()
