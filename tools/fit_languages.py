"""Fits the heuristic thresholds of languages and writes src/herdbook/curation/heuristics/language_thresholds.json.

    python tools/fit_languages.py [--data DIR]        (default: HERDBOOK_TEST_DATA, or ../shared/data)

Reference texts: NTREX-128 (the same 123 news articles in about 60 languages, CC BY-SA 4.0) and, for Korean, Chinese and
Vietnamese, every other article of samples of their Wikipedias. Lengths of words and the share of words with letters
are as far from the reference as the published values are from the same news in English; stop words are the most
frequent words; everything else is at least as mild as published, so that news, which is tidier than most good text,
makes no rule stricter.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

from herdbook.config import to_mapping
from herdbook.curation.heuristics import fit
from herdbook.curation.heuristics.fit_language import fit_language, rounded
from herdbook.curation.heuristics.languages import FILE
from herdbook.curation.heuristics.signal_table import as_arrays, signals
from herdbook.storage import atomic_write_json

CODES = {
    "eng": "en", "sqi": "sq", "est": "et", "uzb": "uz", "swe": "sv", "swa": "sw", "ron": "ro", "mya": "my", "glg": "gl",
    "fra": "fr",
    "zho-CN": "zh", "cat": "ca", "msa": "ms", "nld": "nl", "jpn": "ja", "deu": "de", "heb": "he", "ell": "el",
    "ukr": "uk", "mar": "mr", "amh": "am", "mon": "mn", "kor": "ko", "ind": "id", "tur": "tr", "fas": "fa", "kat": "ka",
    "nob": "no", "ita": "it", "urd": "ur", "slv": "sl", "lao": "lo", "eus": "eu", "tha": "th", "por": "pt", "hin": "hi",
    "pol": "pl", "tam": "ta", "gle": "ga", "isl": "is", "hrv": "hr", "hun": "hu", "cym": "cy", "kaz": "kk", "rus": "ru",
    "dan": "da", "ces": "cs", "lit": "lt", "slk": "sk", "fin": "fi", "bul": "bg", "hye": "hy", "fil": "tl", "khm": "km",
    "srp-Cyrl": "sr", "spa": "es", "mlt": "mt", "vie": "vi", "tel": "te", "mkd": "mk", "ben": "bn", "lav": "lv",
}  # fmt: skip
"""Files of NTREX -> language codes of lid.176."""
WIKIPEDIAS = {
    "ko": "kowiki/kowiki-2023.jsonl.gz", "zh": "zhwiki-2024/zhwiki.jsonl.gz", "vi": "viwiki-2022/viwiki.jsonl.gz",
}  # fmt: skip


def news(data: Path) -> dict[str, list[str]]:
    """Articles by language code."""
    found: dict[str, list[str]] = {}
    with tarfile.open(data / "text" / "ntrex-128.tar.xz") as archive:
        files = {Path(m.name).name: archive.extractfile(m) for m in archive.getmembers() if m.isfile()}
        names = files["DOCUMENT_IDS.tsv"].read().decode().split("\n")  # type: ignore[union-attr]
        for name, code in CODES.items():
            file = files.get(f"newstest2019-{'src' if code == 'en' else 'ref'}.{name}.txt.gz")
            if file is None:
                continue
            articles: dict[str, list[str]] = defaultdict(list)
            for article, line in zip(names, gzip.decompress(file.read()).decode().split("\n")):
                if line.strip():
                    articles[article.split("\t")[0]].append(line.strip())
            found[code] = ["\n".join(lines) + "\n" for lines in articles.values()]
    return found


def encyclopaedias(data: Path) -> dict[str, list[str]]:
    """Every other article of the Wikipedias that are there: the others are for a look at the result."""
    found = {}
    for code, name in WIKIPEDIAS.items():
        with gzip.open(data / "text" / name, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
        found[code] = [text for text in texts[::2] if len(text) > 200][:4000]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HERDBOOK_TEST_DATA", "../shared/data")))
    data = parser.parse_args().data
    references = news(data)
    for code, texts in encyclopaedias(data).items():
        references[code] = texts + references[code]
    english = fit.fit_gopher_quality(as_arrays(signals(references.pop("en"), "en")))
    found = {}
    for code, texts in sorted(references.items()):
        found[code] = rounded(to_mapping(fit_language(texts, code, english)))
        print(code, len(texts), *found[code]["stop_words"])
    about = "tools/fit_languages.py on NTREX-128 (CC BY-SA 4.0) and, for ko, zh and vi, Wikipedia (CC BY-SA)"
    atomic_write_json(FILE, {"about": about, "languages": found}, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
