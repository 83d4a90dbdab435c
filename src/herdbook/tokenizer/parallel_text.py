"""The same text in many languages, and what each costs in tokens beside English: the token premium.

On unlike texts a comparison of languages also compares what they talk about; on translations of the same sentences the
number of tokens is the price of the language. Petrov et al. 2023 ("Language model tokenizers introduce unfairness
between languages") call the ratio to English the premium.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from herdbook.errors import InputError
from herdbook.tokenizer.comparison import measure
from herdbook.tokenizer.tokenizer import Tokenizer

ENGLISH = "eng"


def read_parallel(path: Path, reference: str = ENGLISH) -> dict[str, list[str]]:
    """Language -> sentences, the same number in each, in the same order.

    path: a folder or a tar archive with one text file a language, `ANYTHING.LANGUAGE.txt` (or `.txt.gz`), a sentence a
    line: the layout of NTREX-128. InputError where `reference` is missing or a file has another number of lines.
    """
    if not path.exists():
        raise InputError(f"There is no {path}.", key="parallel", value=str(path))
    texts: dict[str, list[str]] = {}
    for name, content in sorted(_files(path)):
        plain = name.removesuffix(".gz").removesuffix(".txt")
        language = plain.rpartition(".")[2] or plain
        language = plain if language in texts else language
        try:
            text = (gzip.decompress(content) if name.endswith(".gz") else content).decode("utf-8")
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise InputError(f"{name} in {path} cannot be read ({error}).", key="parallel", value=name) from None
        texts[language] = text.removesuffix("\n").split("\n")
    if reference not in texts:
        raise InputError(
            f"{path} has no text in {reference}.",
            key="parallel",
            value=reference,
            remedy=f"There are {', '.join(list(texts)[:10]) or 'no files NAME.LANGUAGE.txt'}.",
        )
    lines = len(texts[reference])
    for language, sentences in texts.items():
        if len(sentences) != lines:
            raise InputError(
                f"{language} has {len(sentences)} lines and {reference} {lines}: not the same text.", key="parallel"
            )
    return texts


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the text files of a folder or an archive; archives are read, not unpacked."""
    if path.is_dir():
        for file in path.iterdir():
            if file.name.endswith((".txt", ".txt.gz")):
                yield file.name, file.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                handle = archive.extractfile(member) if member.isfile() else None
                if handle is not None and member.name.endswith((".txt", ".txt.gz")):
                    yield Path(member.name).name, handle.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{path} is neither a folder nor a readable archive ({error}).", key="parallel") from None


def premiums(
    tokenizers: Mapping[str, Tokenizer], texts: Mapping[str, Sequence[str]], reference: str = ENGLISH
) -> list[dict[str, Any]]:
    """One row per (language, tokenizer), as `comparison.compare`'s and with `premium`: its tokens divided by those of
    the same text in the reference language with the same tokenizer. The reference comes first, then from low to high.
    """
    rows = {language: measure(language, sentences, tokenizers) for language, sentences in texts.items()}
    base = {row["tokenizer"]: row["tokens"] for row in rows[reference]}
    for of_language in rows.values():
        for row in of_language:
            row["premium"] = row["tokens"] / base[row["tokenizer"]] if base[row["tokenizer"]] else None
    last = len(next(iter(rows.values()))) - 1
    order = sorted(rows, key=lambda language: (language != reference, rows[language][last]["premium"] or 0.0, language))
    return [row for language in order for row in rows[language]]
