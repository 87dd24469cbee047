"""The base of what may hold real users, and says so."""

from __future__ import annotations

from typing import Any, ClassVar

from wareloom.core.family import Algorithm
from wareloom.shop.keeps import Keeps, least, worst
from wareloom.shop.shop import Shop

FITTED_ON = "keeps_"
"""Where an algorithm that was fitted on a sample has what that keeps; part of its state, so that it is saved"""
HOLDS_PEOPLE = "holds real users"
"""What a model's folder says where it keeps people"""


class Keeping(Algorithm):
    """Base of the families whose algorithms may hold what a real log says of its users."""

    keeps: ClassVar[Keeps] = "people"
    """What it keeps of a real log under its default settings, in what it learned or in what it returns; who says
    nothing keeps people"""

    def holds(self) -> Keeps:
        """What it keeps of a real log under its settings, apart from the algorithms that it is made of."""
        return self.keeps

    def kept(self) -> Keeps:
        """What it keeps of real users: the worst of itself and its parts, and no more than what it was fitted on."""
        parts = [part for held in self.parts().values() for part in held.values()]
        own = worst(self.holds(), *(part.kept() for part in parts if isinstance(part, Keeping)))
        return least(own, vars(self).get(FITTED_ON))

    def _fitted_on(self, shop: Shop | None, *begun: Keeps) -> None:
        """Write down what a shop that it was fitted on keeps; None, where other events than a shop's were looked at.

        `begun`: what the models keep whose weights the training began with.
        """
        vars(self).pop(FITTED_ON, None)
        if shop is not None and shop.keeps is not None:
            vars(self)[FITTED_ON] = worst(shop.keeps, *begun)

    def said(self) -> dict[str, Any]:
        """What `algorithm.json` says besides settings and files: what it keeps, in one word and for who reads it."""
        kept = self.kept()
        note = {"note": HOLDS_PEOPLE} if kept == "people" else {}
        return {"keeps": kept, **note}
