"""Near-duplicates by MinHash: MB/s of one core end to end (shingle, sign, band, verify, cluster) and for signing alone,
with recall and precision.

Text: passages of articles, help pages and novels, and copies of every tenth passage with a word in a hundred changed.
Shingles of five words, threshold 0.8. datatrove writes its signatures to disk and reads them again in four steps, as it
is made to; herdbook works in memory, and checks every candidate besides. "in files" is herdbook's store: shingles and
signatures in a folder, a limit of 4 MB of memory, verdicts the same (asserted). "new against old": half of the
documents is indexed before, untimed; MB/s of the other half judged against it. rensa only signs: compared are the same
work on both sides, from hashes that are ready made, and from the text with rensa's shingles made in Python (the line
"ready strings" is rensa on shingles that were made before, untimed). CPU seconds of one thread.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import random
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[name] = "1"

from _bench import median_and_spread, ratio, save, start, table  # noqa: E402

WORDS = 5
THRESHOLD = 0.8
WORD = re.compile(r"\w+")


def read_texts(data: Path, megabytes: float) -> list[str]:
    """Passages of some 2 kB and damaged copies of a tenth of them, in a fixed random order."""
    found: list[str] = []
    size = 0
    sources = [
        (data / "text" / "enwiki-2015" / "enwiki-2015.jsonl.gz", "text"),
        (data / "text" / "libreoffice-help-7.4" / "en-us.jsonl.gz", "text"),
        (data / "dedup" / "english-novels-editions" / "eltec_overlap.jsonl.gz", "eltec_text"),
    ]
    for number, (path, field) in enumerate(sources, 1):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                words = json.loads(line)[field].split(" ")
                found += [" ".join(words[i : i + 350]) for i in range(0, len(words), 350)]
                size = sum(map(len, found[-1 - len(words) // 350 :])) + size
                if size > megabytes * 1e6 * number / len(sources):
                    break
    draw = random.Random(0)
    for text in found[::10]:
        words = text.split(" ")
        for place in draw.sample(range(len(words)), len(words) // 100):
            words[place] = words[place][::-1] + "x"
        found.append(" ".join(words))
    draw.shuffle(found)
    return found


def datatrove_kept(texts: list[str]) -> tuple[set[int], float, float]:
    """(places of the documents that datatrove keeps, CPU seconds of all steps, of its signatures)."""
    from datatrove.data import Document
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from loguru import logger

    logger.remove()
    config = MinhashConfig(n_grams=WORDS)  # 14 buckets of 8 hashes, as for the public data sets
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):

        def documents() -> Any:
            return (Document(text=text, id=str(i)) for i, text in enumerate(texts))

        began = time.process_time()
        MinhashDedupSignature(f"{folder}/signatures", config).run(documents(), 0, 1)
        signed = time.process_time()
        buckets = MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)
        for rank in range(config.num_buckets):
            buckets.run(None, rank, config.num_buckets)
        MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config).run(None, 0, 1)
        kept = {int(document.id) for document in MinhashDedupFilter(f"{folder}/remove").run(documents(), 0, 1)}
        return kept, time.process_time() - began, signed - began


def in_files(column: Any, config: Any, folder: Path, against: tuple[Path, ...] = (), publish: bool = False) -> Any:
    """Verdicts of herdbook's store in a new folder, documents added 500 at a time, 4 MB of memory."""
    from herdbook.curation import dedup

    with dedup.NearDuplicateStore(folder, config, memory_limit_bytes=4 << 20) as store:
        for begin in range(0, len(column), 500):
            store.add(column.slice(begin, 500))
        found = store.select(against=against)
        if publish:
            store.index(folder / "index")
        return found


def main() -> None:
    options = start(__doc__ or "")
    import numpy as np
    import pyarrow as pa
    from rensa import RMinHash

    from herdbook.curation import dedup
    from herdbook.curation.dedup.recall import true_pairs
    from herdbook.curation.dedup.selection import Part
    from herdbook.curation.dedup.shingle_kernel import shingles
    from herdbook.curation.dedup.signature import sign
    from herdbook.curation.heuristics.words import texts_of

    texts = read_texts(options.data, 0.7 if options.quick else 8.0)
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    column = pa.array(texts, type=pa.large_string())
    config = dedup.Config(words=WORDS, threshold=THRESHOLD)
    n_hashes = config.bands * config.rows
    dedup.near_duplicates(column.slice(0, 10), config)  # compiled, or read from the cache
    hashed = shingles(texts_of(column), WORDS)

    def strings() -> list[list[str]]:
        made = []
        for text in texts:
            cut = WORD.findall(text.lower())
            made.append([" ".join(cut[i : i + WORDS]) for i in range(max(1, len(cut) - WORDS + 1))])
        return made

    ready = strings()

    half = len(texts) // 2
    new = column.slice(half)
    new_megabytes = sum(len(text.encode()) for text in texts[half:]) / 1e6
    folder = Path(tempfile.mkdtemp(prefix="herdbook-minhash-"))
    in_files(column.slice(0, half), config, folder / "old", publish=True)  # compiles the kernels, too
    names = (
        "herdbook end to end",
        "herdbook in files",
        "herdbook new against old",
        "datatrove end to end",
        "herdbook signing, text",
        "herdbook signing, hashes",
        "datatrove signing, text",
        "rensa signing, text",
        "rensa signing, hashes",
        "rensa signing, ready strings",
    )
    rates: dict[str, list[float]] = {name: [] for name in names}
    repeats = 5
    for _ in range(2 if options.quick else 3):
        began = time.process_time()
        for _ in range(repeats):
            found = dedup.near_duplicates(column, config)
        rates["herdbook end to end"].append(megabytes * repeats / (time.process_time() - began))
        spent = 0.0
        for turn in range(repeats):
            began = time.process_time()
            filed = in_files(column, config, folder / f"all-{turn}")
            spent += time.process_time() - began
            shutil.rmtree(folder / f"all-{turn}")
        rates["herdbook in files"].append(megabytes * repeats / spent)
        assert filed.kept_instead.tolist() == found.kept_instead.tolist()
        spent = 0.0
        for turn in range(repeats):
            began = time.process_time()
            later = in_files(new, config, folder / f"new-{turn}", (folder / "old" / "index",))
            spent += time.process_time() - began
            shutil.rmtree(folder / f"new-{turn}")
        rates["herdbook new against old"].append(new_megabytes * repeats / spent)
        theirs, spent, signing = datatrove_kept(texts)
        rates["datatrove end to end"].append(megabytes / spent)
        rates["datatrove signing, text"].append(megabytes / signing)
        began = time.process_time()
        for _ in range(repeats):
            sign(shingles(texts_of(column), WORDS), n_hashes)
        rates["herdbook signing, text"].append(megabytes * repeats / (time.process_time() - began))
        began = time.process_time()
        for _ in range(repeats):
            sign(hashed, n_hashes)
        rates["herdbook signing, hashes"].append(megabytes * repeats / (time.process_time() - began))
        began = time.process_time()
        RMinHash.digest_matrix_from_token_sets(strings(), n_hashes, 0)
        rates["rensa signing, text"].append(megabytes / (time.process_time() - began))
        began = time.process_time()
        for _ in range(repeats):
            RMinHash.digest_matrix_from_token_sets(ready, n_hashes, 0)
        rates["rensa signing, ready strings"].append(megabytes * repeats / (time.process_time() - began))
        began = time.process_time()
        for _ in range(repeats):
            RMinHash.digest_matrix_from_flat_token_hashes(hashed.values_S, hashed.offsets_N1, n_hashes, 0)
        rates["rensa signing, hashes"].append(megabytes * repeats / (time.process_time() - began))

    # earlier documents are preferred in both, so the new half loses the same documents either way
    assert later.kept.tolist() == found.kept[half:].tolist()
    shutil.rmtree(folder)
    sets = [set(hashed.values_S[a:b].tolist()) for a, b in itertools.pairwise(hashed.offsets_N1.tolist())]
    # an exact join without signatures; tests compare it with all pairs one by one
    part = Part(hashed.values_S, hashed.offsets_N1, np.empty((len(texts), 0), np.uint32))
    pairs = true_pairs(part, np.arange(len(texts)), THRESHOLD).tolist()
    twins: dict[int, list[int]] = {}
    for a, b in pairs:
        twins.setdefault(a, []).append(b)
        twins.setdefault(b, []).append(a)

    def quality(kept: set[int]) -> tuple[int, float, float]:
        """(removed, share of true pairs not both kept, share of removals with a twin that is kept)."""
        gone = [i for i in range(len(texts)) if i not in kept]
        right = [any(other in kept for other in twins.get(i, [])) for i in gone]
        parted = [not (a in kept and b in kept) for a, b in pairs]
        return len(gone), float(np.mean(parted)), float(np.mean(right)) if gone else 1.0

    ours = set(np.flatnonzero(found.kept).tolist())
    named = [
        (j := int(found.kept_instead[i])) in ours and len(sets[i] & sets[j]) >= THRESHOLD * len(sets[i] | sets[j])
        for i in np.flatnonzero(~found.kept).tolist()
    ]
    assert all(named), "a removed document names a kept one that is as similar as the threshold"
    results = {"herdbook": quality(ours), "datatrove": quality(theirs)}
    print(table(["contestant", "MB/s per core", "spread"], [[n, *median_and_spread(v)] for n, v in rates.items()]))
    print(
        f"\n{len(texts)} documents, {megabytes:.1f} MB, {len(pairs)} pairs of Jaccard similarity {THRESHOLD} and more"
    )
    print(table(["contestant", "removed", "recall", "precision"], [[n, *v] for n, v in results.items()]))
    print(f"herdbook compared {found.n_compared} of {found.n_candidates} candidates")
    quality_rows = {n: dict(zip(("removed", "recall", "precision"), v)) for n, v in results.items()}
    print(f"\n{save('minhash', options, {'rates': rates, 'quality': quality_rows, 'megabytes': megabytes})}")
    middle = {name: median_and_spread(values)[0] for name, values in rates.items()}
    for what in ("hashes", "text"):
        ours_of, theirs_of = middle[f"herdbook signing, {what}"], middle[f"rensa signing, {what}"]
        ratio("rensa", f"signing from {what} MB/s", ours_of / theirs_of)
    ratio("herdbook in memory", "in files MB/s", middle["herdbook in files"] / middle["herdbook end to end"])
    # what an update costs, beside judging old and new together again
    again = megabytes / middle["herdbook in files"]
    ratio("herdbook from scratch", "new against old", again / (new_megabytes / middle["herdbook new against old"]))
    ratio("datatrove", "signing MB/s", middle["herdbook signing, text"] / middle["datatrove signing, text"])
    ratio("herdbook", "recall", results["herdbook"][1])
    ratio("herdbook", "precision", results["herdbook"][2])
    ratio("datatrove", "end to end MB/s", middle["herdbook end to end"] / middle["datatrove end to end"])


if __name__ == "__main__":
    main()
