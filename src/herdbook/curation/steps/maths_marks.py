"""Texts with any mark of mathematics: a command or bracket of LaTeX, a dollar sign, MathML, a sign."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from herdbook.curation.heuristics.words import Texts, _code_at
from herdbook.curation.kernel import inner


@inner
def _marked(text, offsets, found):  # type: ignore[no-untyped-def]
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        while i < stop:
            b = text[i]
            if b == 36:  # $
                break
            if b == 92 and i + 1 < stop:  # a backslash with a letter, ( or [
                c = text[i + 1]
                if 97 <= c | 0x20 <= 122 or c == 40 or c == 91:
                    break
            if b == 60 and i + 5 <= stop and text[i + 1] == 109 and text[i + 2] == 97:  # <math
                if text[i + 3] == 116 and text[i + 4] == 104:
                    break
            if b == 0xE2 or b == 0xF0:
                code, _ = _code_at(text, i, stop)
                if 0x2200 <= code <= 0x22FF or 0x1D400 <= code <= 0x1D7FF:
                    break
            i += 1
        found[document] = i < stop


def marked(texts: Texts) -> npt.NDArray[np.bool_]:
    """Which texts hold a mark, bool [N]."""
    found = np.zeros(len(texts), np.bool_)
    _marked(texts.data, texts.offsets_N1, found)
    return found
