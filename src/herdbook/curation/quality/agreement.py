"""Labels are measured before anything is trained on them: how far a model's labels agree with labels that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from herdbook.curation.quality.measures import auc, best_cut, f1, interval, kappa, spearman
from herdbook.errors import InputError

F64 = npt.NDArray[np.float64]
MIN_GOLD = 20


@dataclass(frozen=True)
class Agreement:
    """Agreement with known labels. The cut was chosen on one half of them, all figures are of the other half."""

    n: int
    n_unparsed: int
    """Texts of either half about which the model said nothing usable."""
    cut: float
    """A text is kept where its score reaches this."""
    gold_cut: float
    """A text is good where its known value reaches this."""
    kappa: float
    """Cohen's kappa of kept against known good."""
    kappa_interval: list[float]
    """95 %, bootstrap."""
    auc: float | None
    f1: float
    spearman: float | None
    """Rank correlation of score and known value."""
    share_kept: float
    share_good: float

    def to_json(self) -> dict[str, Any]:
        """All figures, rounded."""
        return {
            name: [round(v, 4) for v in value]
            if isinstance(value, list)
            else round(value, 4)
            if value is not None
            else None
            for name, value in vars(self).items()
        }


def measure(scores: list[float | None], gold: F64, shares: F64, gold_cut: float | None = None) -> Agreement:
    """Agreement of scores (None: unparsed) with gold values; good is what reaches `gold_cut` (None: half way between
    the least and the greatest). `shares` in [0, 1) decide the half: below 0.5 the cut is chosen, from 0.5 on measured.

    An unparsed text counts as not kept. Raises InputError where a half is too small or has one kind of label only.
    """
    if len(gold) and gold_cut is None:
        gold_cut = float(gold.min() + gold.max()) / 2
    gold_cut = 0.0 if gold_cut is None else gold_cut
    good = gold >= gold_cut
    score = np.array([-1.0 if s is None else s for s in scores], dtype=np.float64)
    fitted, tested = shares < 0.5, shares >= 0.5
    for half in (fitted, tested):
        if half.sum() < MIN_GOLD // 2 or good[half].all() or not good[half].any():
            raise InputError(
                f"{len(gold)} labelled texts, {int(good.sum())} of them good, are too few to measure agreement.",
                key="gold",
                remedy=f"Give at least {MIN_GOLD} labelled texts, good ones and bad ones; some hundreds are better.",
            )
    cut = best_cut(score[fitted], good[fitted], kappa)
    s, g, v = score[tested], good[tested], gold[tested]
    kept = s >= cut
    return Agreement(
        n=len(s),
        n_unparsed=sum(x is None for x in scores),
        cut=cut,
        gold_cut=gold_cut,
        kappa=kappa(kept, g),
        kappa_interval=interval(len(s), lambda rows: kappa(kept[rows], g[rows])),
        auc=auc(s[g], s[~g]),
        f1=f1(kept, g),
        spearman=spearman(s, v),
        share_kept=float(kept.mean()),
        share_good=float(g.mean()),
    )


def require(figures: dict[str, Any] | None, min_agreement: float, force: bool) -> None:
    """Raises InputError where labels were not measured, or agree less than `min_agreement` (kappa), unless forced."""
    if force:
        return
    remedy = "Label with a better model or question, or use them all the same with force = true."
    if figures is None:
        raise InputError(
            "These labels were never measured against known ones.", key="gold",
            remedy="Give `gold`, a file of texts with known labels, to the stage `label`, or force = true.",
        )  # fmt: skip
    if figures["kappa"] < min_agreement:
        low, high = figures["kappa_interval"] or (float("nan"), float("nan"))
        raise InputError(
            f"The model's labels agree too little with the known ones: kappa {figures['kappa']:.2f} ({low:.2f} to "
            f"{high:.2f}; AUC {figures['auc']:.2f}, {figures['n']} texts), {min_agreement:g} is asked for.",
            key="min_agreement", value=figures["kappa"], remedy=remedy,
        )  # fmt: skip
