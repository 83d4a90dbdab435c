"""Training a byte-level BPE vocabulary with Llama 3's split pattern: herdbook, rustbpe and tokenizers, one thread.

Each trainer reads the same documents from one file, in a process of its own: its processor time and its peak memory
above that before training. Merges are compared: all of tokenizers' must be ours; rustbpe breaks ties by the value of
bytes, and must give ours when ours does so too.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _bench import median_and_spread, ratio, save, start, table
from _texts import KINDS, documents, n_bytes

TRAINERS = ("herdbook", "rustbpe", "tokenizers")


def texts_of(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def peak_mb() -> float:
    """Largest resident size of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def train(name: str, path: str, vocab_size: int) -> tuple[dict[bytes, int], float, float]:
    """(ranks, processor seconds, peak megabytes above those before) of one trainer."""
    from herdbook.tokenizer.byte_letters import from_letters
    from herdbook.tokenizer.split_pattern import LLAMA3_SPLIT_PATTERN
    from herdbook.tokenizer.training import count_pieces, ranks_of_pieces, train_ranks

    if name.startswith("herdbook"):
        first = [bytes([byte]) for byte in range(256)] if name == "herdbook-bytes" else None
        train_ranks(["warm up, compile"], 258)
        before, began = peak_mb(), time.process_time()
        ranks = ranks_of_pieces(count_pieces(texts_of(path)), vocab_size, first=first)
        return ranks, time.process_time() - began, peak_mb() - before
    if name == "rustbpe":
        import rustbpe

        trainer = rustbpe.Tokenizer()
        before, began = peak_mb(), time.process_time()
        trainer.train_from_iterator(texts_of(path), vocab_size, pattern=LLAMA3_SPLIT_PATTERN)
        spent, memory = time.process_time() - began, peak_mb() - before
        return {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}, spent, memory
    import tokenizers
    from tokenizers import models, pre_tokenizers, trainers

    engine = tokenizers.Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(tokenizers.Regex(LLAMA3_SPLIT_PATTERN), behavior="isolated")
    engine.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    peer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, show_progress=False, special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    before, began = peak_mb(), time.process_time()
    engine.train_from_iterator(texts_of(path), trainer=peer)
    spent, memory = time.process_time() - began, peak_mb() - before
    vocabulary = json.loads(engine.to_str())["model"]["vocab"]
    return {from_letters(token): rank for token, rank in vocabulary.items()}, spent, memory


def child(name: str, path: str, vocab_size: int) -> None:
    from herdbook.storage import sha256_bytes
    from herdbook.tokenizer.ranks_file import format_ranks

    ranks, spent, memory = train(name, path, vocab_size)
    print(json.dumps({"hash": sha256_bytes(format_ranks(ranks)), "n": len(ranks), "s": spent, "mb": memory}))


def run_child(name: str, path: str, vocab_size: int) -> dict[str, Any]:
    environment = {**os.environ, "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", name, path, str(vocab_size)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def main() -> None:
    options = start(__doc__.splitlines()[0])
    size, vocab_size, rounds = (2.0e6, 16_000, 2) if options.quick else (34e6, 128_000, 3)
    texts = [text for kind in KINDS for text in documents(options.data, kind, size)]
    megabytes = n_bytes(texts) / 1e6
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in TRAINERS}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "texts.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
        run_child("herdbook", path, 300)  # compiles, once a machine
        for turn in range(rounds):
            for name in TRAINERS[turn % 3 :] + TRAINERS[: turn % 3]:
                measured[name].append(run_child(name, path, vocab_size))
        by_value = run_child("herdbook-bytes", path, vocab_size)["hash"]
    hashes = {name: {run["hash"] for run in runs} for name, runs in measured.items()}
    same = {
        "herdbook": hashes["herdbook"] == {measured["herdbook"][0]["hash"]},
        "tokenizers": hashes["tokenizers"] == hashes["herdbook"],
        "rustbpe": hashes["rustbpe"] == {by_value},
    }
    note = {"herdbook": "-", "tokenizers": "the same", "rustbpe": "the same, ties by value"}
    rows, results = [], []
    for name, runs in measured.items():
        speed, spread = median_and_spread(megabytes / run["s"] for run in runs)
        memory, _ = median_and_spread(run["mb"] for run in runs)
        merges = note[name] if same[name] else "other merges"
        rows.append([name, speed, f"{spread:.0%}", memory, runs[0]["n"], merges])
        results.append({"trainer": name, "mb_s": speed, "spread": spread, "peak_mb": memory, "merges": merges})
    print(table(["trainer", "MB/s", "spread", "peak MB", "tokens", "merges"], rows))
    print(f"\n{megabytes:.1f} MB of English, code and many languages; one thread, processor time, reading included")
    save("tokenizer_train", options, {"rows": results, "megabytes": megabytes, "vocab_size": vocab_size})
    figures = {row["trainer"]: row for row in results}
    for what in ("peak_mb", "mb_s"):
        for name in ("tokenizers", "rustbpe"):
            mine, other = figures["herdbook"][what], figures[name][what]
            ratio(name, "memory" if what == "peak_mb" else "speed", other / mine if what == "peak_mb" else mine / other)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
