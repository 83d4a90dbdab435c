"""Lists that the user gives: hosts, addresses and ids that are blocked, or whose owners opted out.

A list is a text file, an entry a line, `#` begins a comment. A host stands for itself and what is below it
(`example.org` for `www.example.org` too), an entry with `/` for that address and what is below it, anything else for
the document of that id. Matching costs nothing for documents without an address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from herdbook.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_HOST = re.compile(r"^(?:[\w-]+\.)+[\w-]{2,}\.?$")


@dataclass(frozen=True)
class Entries:
    """What lists name, without schemes and in lower case (hosts) or as written (paths, ids)."""

    hosts: frozenset[str]
    addresses: frozenset[str]
    ids: frozenset[str]


MEASURED_BY = ("files",)
"""Settings that `mend` and `measure` read; the others are thresholds."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Files of the user."""

    files: tuple[str, ...] = ()
    """Text files with hosts, addresses or ids, one a line."""


def address_of(url: str) -> str:
    """An address in one spelling: no scheme, no `www.`, no port, no fragment, host in lower case, no slash at the
    end.
    """
    rest = url.strip().split("#", 1)[0].split("://", 1)[-1]
    host, slash, path = rest.partition("/")
    if "?" in host:
        host, _, query = host.partition("?")
        slash, path = "/", f"?{query}"
    host = host.rsplit("@", 1)[-1].split(":", 1)[0].lower().rstrip(".").removeprefix("www.")
    return f"{host}{slash}{path}".rstrip("/")


def entries(lines: Iterable[str]) -> Entries:
    """The entries of a list."""
    hosts, addresses, ids = set(), set(), set()
    for line in lines:
        entry = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if not entry:
            continue
        plain = address_of(entry.removeprefix("*.").removeprefix("."))
        if "://" in entry and "/" not in plain:
            hosts.add(plain)
        elif "://" in entry or ("/" in entry and _HOST.match(entry.split("/", 1)[0])):
            addresses.add(plain)
        elif _HOST.match(entry.removeprefix("*.").removeprefix(".")):
            hosts.add(plain)
            ids.add(entry)
        else:
            ids.add(entry)
    return Entries(frozenset(hosts), frozenset(addresses), frozenset(ids))


@lru_cache(maxsize=8)
def read(files: tuple[str, ...]) -> Entries:
    """The entries of files. Raises InputError where one cannot be read."""
    lines: list[str] = []
    for name in files:
        try:
            lines += Path(name).expanduser().read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeError) as error:
            raise InputError(f"cannot read the list {name}: {error}", key="files", value=name) from error
    return entries(lines)


def _ends_of(host: str) -> list[str]:
    parts = host.split(".")
    return [".".join(parts[i:]) for i in range(len(parts) - 1)]


def _starts_of(address: str) -> list[str]:
    parts = re.split(r"(?=[/?])", address)
    return ["".join(parts[:n]) for n in range(len(parts), 1, -1)]


def found_in(table: pa.Table, listed: Entries) -> dict[str, Any]:
    """Masks [N]: `domain`, `url`, `id`: which documents a list names, and by what."""
    n = table.num_rows
    domain, url = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    ids = np.zeros(n, dtype=bool)
    if listed.ids:
        ids[:] = [value in listed.ids for value in table["id"].to_pylist()]
    if listed.hosts or listed.addresses:
        for row, value in enumerate(table["url"].to_pylist()):
            if not value:
                continue
            address = address_of(value)
            host = re.split(r"[/?]", address, maxsplit=1)[0]
            domain[row] = not listed.hosts.isdisjoint(_ends_of(host))
            url[row] = bool(listed.addresses) and not listed.addresses.isdisjoint(_starts_of(address))
    return {"domain": domain, "url": url, "id": ids}


def measure(table: pa.Table, config: Config, listed: Entries | None = None) -> pa.Table:
    """Bool columns `block_list_domain`, `block_list_url`, `block_list_id`. `listed` spares reading the files again."""
    import pyarrow as pa

    found = found_in(table, listed or read(config.files))
    return pa.table({f"block_list_{name}": mask for name, mask in found.items()})


def rules(signals: Mapping[str, Any], config: Config) -> list[tuple[str, Any]]:
    """Documents that a list names ("blocked_domain", "blocked_url", "blocked_id")."""
    return [(f"blocked_{name}", np.asarray(signals[f"block_list_{name}"])) for name in ("domain", "url", "id")]
