"""Lines that can hold personal data at all: one look at every byte, before any expression is asked.

A line is pointed at where it has an @ before a letter or digit, two capitals before two digits, two colons with at most
four hexadecimal digits between them, or a run of digits and separators (at most two in a row) with 8 digits, or with 4
and three full stops. Every form of `personal_data_forms.FORMS` needs one of these.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from herdbook.curation import character_kinds
from herdbook.curation.character_kinds import DIGIT
from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner

I64 = npt.NDArray[np.int64]
MIN_DIGITS = 8
"""Fewest digits of a number that is personal, addresses of the Internet aside."""


@inner
def _is_hexadecimal(b):  # type: ignore[no-untyped-def]
    return 48 <= b <= 57 or 97 <= b | 0x20 <= 102


@inner
def _find(text, offsets, kinds, rows, starts, stops, characters):  # type: ignore[no-untyped-def]
    """Writes (document, first byte, byte after the last, characters of the document before it) of each line found;
    returns how many."""
    n = 0
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        count = 0
        while i < stop:
            begin, before = i, count
            digits, dots, separators = 0, 0, 0
            found = False
            while i < stop and text[i] != 10:
                b = text[i]
                if b >= 0x80:
                    code, size = _code_at(text, i, stop)
                    if code < len(kinds) and kinds[code] & DIGIT:
                        found = True  # digits of other scripts: the expressions decide
                    digits = dots = separators = 0
                    i += size
                    count += 1
                    continue
                if 48 <= b <= 57:
                    digits += 1
                    separators = 0
                    if digits >= MIN_DIGITS or (digits >= 4 and dots >= 3):
                        found = True
                    if i - begin >= 3 and 48 <= text[i - 1] <= 57:
                        if 65 <= text[i - 2] <= 90 and 65 <= text[i - 3] <= 90:
                            found = True
                elif b == 32 or b == 45 or b == 46 or b == 40 or b == 41 or b == 43:  # blank - . ( ) +
                    separators += 1
                    dots += b == 46
                    if separators > 2:
                        digits = dots = 0
                else:
                    digits = dots = separators = 0
                    if b == 64:  # @
                        if i + 1 < stop and (48 <= text[i + 1] <= 57 or 97 <= text[i + 1] | 0x20 <= 122):
                            found = True
                    elif b == 58:  # :
                        k = i - 1
                        while k >= begin and k >= i - 4 and _is_hexadecimal(text[k]):
                            k -= 1
                        if k >= begin and text[k] == 58:
                            found = True
                i += 1
                count += 1
            if found:
                rows[n] = document
                starts[n] = begin
                stops[n] = i
                characters[n] = before
                n += 1
            i += 1
            count += 1
    return n


def possible_lines(texts: Texts) -> tuple[I64, list[str], I64]:
    """(document, text, characters of the document before it) of each line that can hold personal data."""
    room = int(texts.offsets_N1[-1] - texts.offsets_N1[0]) // 3 + len(texts) + 1  # the shortest has three bytes
    rows, starts, stops, characters = (np.empty(room, np.int64) for _ in range(4))
    n = _find(texts.data, texts.offsets_N1, character_kinds.kinds(), rows, starts, stops, characters)
    data = texts.data
    lines = [data[a:b].tobytes().decode("utf-8", "replace") for a, b in zip(starts[:n].tolist(), stops[:n].tolist())]
    return rows[:n], lines, characters[:n]
