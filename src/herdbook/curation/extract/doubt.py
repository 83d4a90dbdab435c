"""How much a second reading of a page promises: the F1 that trafilatura's text is expected to gain on the first.

A linear function of what a page's probabilities look like, fitted to pages whose right text is known
(`tools/train_extraction.py`), with probabilities of networks that had not learnt from their sites.
Shape letters: B blocks of a page, D columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from herdbook.curation.extract.blocks import END, Blocks
from herdbook.curation.extract.classifier import F32, Weights, chosen, uncertainty
from herdbook.curation.extract.features import FEATURES, Seen

DOUBTS = (
    "uncertainty", "uncertainty_squared", "found", "undecided", "blocks", "kept", "kept_share", "greatest", "least",
    "outside_top", "top_left", "prose_left", "links", "switches", "longest_left",
)  # fmt: skip
"""Names of the columns of `doubts_of`."""
_INSIDE = FEATURES.index("top_inside")


def doubts_of(blocks: Blocks, seen: Seen, probabilities: F32, threshold: float) -> npt.NDArray[np.float64]:
    """What there is to doubt about a page [D]."""
    if not len(blocks):
        return np.eye(1, len(DOUBTS))[0]
    sizes = blocks.sizes.astype(np.float64)
    capped = np.minimum(sizes, 100)
    kept = chosen(probabilities, threshold)
    inside = seen.columns[:, _INSIDE] > 0
    prose = np.where((sizes > 60) & ((blocks.last & END > 0) | (blocks.commas > 1)), sizes - blocks.links, 0)
    text = max(float(sizes[kept].sum()), 1.0)
    undecided = float(capped[(probabilities > 0.1) & (probabilities < 0.9)].sum())
    lacking = uncertainty(blocks.sizes, probabilities, threshold)
    n_kept = max(int(kept.sum()), 1)
    return np.array([
        lacking,
        lacking * lacking,
        float((capped * probabilities)[kept].sum() / max(float((capped * probabilities).sum()), 1e-9)),
        min(undecided / max(float(capped[kept].sum()), 1.0), 3),
        np.log1p(len(blocks)),
        np.log1p(text),
        text / max(float(sizes.sum()), 1.0),
        float(probabilities.max()),
        float(np.minimum(probabilities, 1 - probabilities).mean()),
        float(sizes[kept & ~inside].sum()) / text,
        float(sizes[inside & ~kept].sum()) / max(float(sizes[inside].sum()), 1.0),
        float(prose[~kept].sum()) / max(float(prose.sum()), 1.0),
        float(blocks.links[kept].sum()) / text,
        min(float((kept[1:] != kept[:-1]).sum()) / n_kept, 3),
        np.log1p(float(sizes[~kept].max(initial=0))),
    ])  # fmt: skip


def gain_expected(doubts: npt.NDArray[np.float64], network: Weights) -> float:
    """The F1 that a second reading is expected to gain, from `doubts_of`; at most 1, as for a page without blocks."""
    if doubts[0] >= 1:
        return 1.0
    return min(1.0, float(doubts @ network.gain + network.gain_bias))
