"""MB/s of every reader: CPU time of one process, made-up text, the best of three. `python tools/measure_readers.py`"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from herdbook.curation.extract import Config as ExtractConfig
from herdbook.curation.reading import Config, Problems, Source, plan, read


def texts(n: int) -> list[str]:
    """Documents of about 3 kB, with line ends and quotation marks."""
    lot = random.Random(0)
    words = ["".join(lot.choices("etaoinshrdlu", k=lot.randint(2, 9))) for _ in range(20_000)]
    return ["\n".join(f'"{" ".join(lot.choices(words, k=12))}."' for _ in range(40)) for _ in range(n)]


def main() -> None:
    """Prints a table: reader, MB of text (pages: of HTML), MB/s."""
    documents = texts(6000)
    rows = [json.dumps({"text": text, "url": f"http://x/{i}"}) + "\n" for i, text in enumerate(documents)]
    lines = "".join(rows).encode()
    page = "<html><body><article>%s</article></body></html>"
    pages = [(page % "".join(f"<p>{line}</p>" for line in text.split("\n"))).encode() for text in documents[:1000]]
    records = []
    for i, body in enumerate(pages):
        block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://x/{i}\r\n"
        head += f"Content-Length: {len(block)}\r\n\r\n"
        records.append(head.encode() + block + b"\r\n\r\n")
    conversions = []
    for text in documents:
        head = f"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
        conversions.append((head + text + "\r\n\r\n").encode())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        files = {
            "a.jsonl": lines, "a.jsonl.gz": gzip.compress(lines, 6), "a.jsonl.zst": zstandard.compress(lines),
            "a.jsonl.bz2": bz2.compress(lines), "a.jsonl.xz": lzma.compress(lines, preset=1),
            "a.warc": b"".join(records), "a.warc.gz": b"".join(map(gzip.compress, records)),
            "a.wet": b"".join(conversions),
        }  # fmt: skip
        for name, data in files.items():
            (root / name).write_bytes(data)
        pq.write_table(pa.table({"text": documents}), root / "a.parquet", compression="zstd")
        (root / "text").mkdir()
        for i, text in enumerate(documents):
            (root / "text" / f"{i}.txt").write_text(text)
        config = Config(extract=ExtractConfig(min_gain=1))
        text_bytes = sum(map(len, documents))
        for name in [*files, "a.parquet", "text"]:
            n = sum(map(len, pages)) if name.startswith("a.warc") else text_bytes
            best = 0.0
            for _ in range(3):
                problems = Problems()
                began = time.process_time()
                units = plan([Source(path=str(root / name), name="s")]).units
                n_rows = sum(table.num_rows for unit in units for table in read(unit, config, problems))
                best = max(best, n / 1e6 / (time.process_time() - began))
                assert n_rows in (6000, 1000) and not problems.counts
            print(f"{name:14} {n / 1e6:6.1f} MB {best:8.1f} MB/s")


if __name__ == "__main__":
    main()
