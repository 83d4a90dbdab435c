"""The source of a page made safe and readable before it is parsed: its encoding, its depth, its formulas."""

from __future__ import annotations

import codecs
import re

import numpy as np

_DECLARED = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_TEX_SCRIPT = re.compile(r"""<script[^>]*type=["']?math/tex[^>]*>(.*?)</script>""", re.DOTALL | re.IGNORECASE)
_MATHML = re.compile(r"<math\b.*?</math>", re.DOTALL | re.IGNORECASE)
_TEX_NOTE = re.compile(r"<annotation[^>]*application/x-tex[^>]*>(.*?)</annotation>", re.DOTALL | re.IGNORECASE)
_NOT_NESTED = (
    "br",
    "im",
    "in",
    "me",
    "li",
    "hr",
    "p>",
    "p ",
    "tr",
    "td",
    "th",
    "op",
    "dt",
    "dd",
    "so",
    "wb",
    "ar",
    "co",
)
"""How the names of elements begin that close themselves or each other."""
_PAIRS = np.array([ord(pair[0]) * 256 + ord(pair[1]) for pair in _NOT_NESTED])


def decode(data: bytes) -> str:
    """Bytes of a page as text: UTF-8 where they are that, else the encoding that the page declares where they fit it,
    else the one that they look like."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    declared = _DECLARED.search(data, 0, 8192)
    if declared and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            name = map_encoding_to_html5(declared.group(1).decode("ascii"), fallback_utf8=False)
            if name and name.lower() not in ("utf-8", "utf-16le", "utf-16be"):
                text = data.decode(name, "replace")
                if text.count("\ufffd") <= len(data) // 1000:
                    return text
        except (LookupError, TypeError, ValueError):
            pass
    return str(bytes_to_str(data, detect_encoding(data) or "utf-8"))


def depth(page: str, look_from: int = 3000) -> int:
    """About how deep elements nest; 0 for pages of fewer than `look_from` tags, which cannot nest deep. Elements that
    close themselves or each other are not counted."""
    if page.count("<") < look_from:
        return 0
    letters = np.frombuffer(page.encode("ascii", "replace").lower() + b"   ", dtype=np.uint8).astype(np.int64)
    starts = np.flatnonzero(letters == 60)
    closing = letters[starts + 1] == 47
    first, second = letters[starts + 1 + closing], letters[np.minimum(starts + 2 + closing, len(letters) - 1)]
    counted = (first >= 97) & (first <= 122) & ~np.isin(first * 256 + second, _PAIRS)
    level = np.cumsum(np.where(counted, np.where(closing, -1, 1), 0))
    return int(np.max(level - np.minimum(np.minimum.accumulate(level), 0), initial=0))


def with_tex(page: str) -> str:
    """The page with formulas as TeX between dollar signs, where it carries their TeX."""
    if "math/tex" in page:
        page = _TEX_SCRIPT.sub(lambda found: f"${found.group(1).strip()}$", page)
    if "<math" in page:

        def tex(found: re.Match[str]) -> str:
            note = _TEX_NOTE.search(found.group())
            return f"${note.group(1).strip()}$" if note else found.group()

        page = _MATHML.sub(tex, page)
    return page
