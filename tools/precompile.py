"""Runs every compiled kernel once on a little text, so that the compilation is over before the first real run.

Numba keeps what it compiles beside the sources; `tools/bootstrap.py` calls this at the end of an installation.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
from pathlib import Path

WORDS = (
    "the shepherd opens a green gate near old river and reads every letter of summer in quiet mountain house".split()
)
PAGE = "<h1>Gates</h1><ul class=menu><li><a href=/>Home</a></ul><p>Each <b>gate</b> is opened, one by one: 3 a day.</p>"


def text(rng: random.Random) -> str:
    """A little prose."""
    lines = (" ".join(rng.choices(WORDS, k=12)).capitalize() + ".\n" for _ in range(12))
    return "".join(lines) + "Schöne Grüße, 한국어 문장입니다. 日本語の文。\n"


def main() -> int:
    import herdbook.curation
    from herdbook.curation.documents import Document
    from herdbook.curation.extract.page import MissingExtractorError, extract
    from herdbook.tokenizer.training import train_ranks

    rng = random.Random(0)
    documents = [Document(f"d{i}", text(rng), "a", "", "unknown", "prose", url=f"https://a.org/{i}") for i in range(60)]
    documents += [
        Document(f"c{i}", f"def f{i}(x):\n    return x + {i}\n" * 4, "a", "f.py", "unknown", "code") for i in range(9)
    ]
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines.jsonl"
        lines.write_text("".join(json.dumps({"id": f"l{i}", "text": text(rng)}) + "\n" for i in range(60)))
        # n-grams of characters come with the package, and so few documents need no package for clusters
        semantic = {"use": True, "embedders": ["character-ngrams"]}
        herdbook.curation.curate(
            documents, Path(folder) / "corpus", path=[str(lines)], max_megabytes=0.1, semantic=semantic
        )  # fmt: skip
    with contextlib.suppress(MissingExtractorError):  # an extra
        extract("<html><body>" + PAGE * 9 + "</body></html>")
    train_ranks((d.text for d in documents), 300)
    return 0


if __name__ == "__main__":
    sys.exit(main())
