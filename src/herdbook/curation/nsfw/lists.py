"""The user's lists: files with an entry a line. Blank lines and lines that begin with # are passed over."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from herdbook.curation.nsfw.domains import normal_host
from herdbook.errors import InputError

if TYPE_CHECKING:
    from herdbook.curation.heuristics.word_list import WordList


def entries(path: str, key: str) -> list[str]:
    """The entries of a file. InputError, naming the setting `key`, where it cannot be read as UTF-8."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"cannot read the list {path}: {error}", key=key, value=path, remedy="Give a text file in UTF-8."
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def domain_set(paths: Iterable[str]) -> frozenset[str]:
    """Domains of all files, in the form of `normal_host`. Of a line of a hosts file the second word counts, of a URL
    without a path its host; entries with a path are pages and left out."""
    found = set()
    for path in paths:
        for line in entries(path, "nsfw.domains"):
            words = line.split("#")[0].split()
            entry = (words[1] if len(words) > 1 else words[0]).split("://")[-1].removeprefix("*.").strip(".")
            if "/" not in entry.rstrip("/"):
                found.add(normal_host(entry.rstrip("/")))
    return frozenset(found - {"", "localhost"})


@lru_cache(maxsize=4)
def word_lists(paths: tuple[str, ...]) -> WordList | None:
    """All words of all files made ready for counting; None without files."""
    from herdbook.curation.heuristics.word_list import word_list

    if not paths:
        return None
    return word_list(entry for path in paths for entry in entries(path, "nsfw.word_lists"))


@lru_cache(maxsize=4)
def domains(paths: tuple[str, ...]) -> frozenset[str]:
    """`domain_set`, read once for each set of files."""
    return domain_set(paths)
