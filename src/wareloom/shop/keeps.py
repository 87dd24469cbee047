"""What is kept of a real log: nothing without noise, counts, or people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from wareloom.core.family import Algorithm

if TYPE_CHECKING:
    from wareloom.shop.shop import Shop

Keeps = Literal["private", "counts", "people"]
"""What a sample or a model holds of the real users it was made from, from the least to the most.

private: every number of the real log went through the ledger. counts: sums over users, without noise. people: rows of
single users, such as their timelines, lengths, items or latent vectors."""
ORDER: tuple[Keeps, ...] = get_args(Keeps)
FITTED_ON = "keeps_"
"""Where an algorithm that was fitted on a sample has what that keeps; part of its state, so that it is saved"""
HOLDS_PEOPLE = "holds real users"
"""What a model's folder says where it keeps people"""


def worst(*keeps: Keeps | None) -> Keeps:
    """What a mixture keeps: the worst of its parts. None, a real shop or an unknown one, counts as people.

    Of no parts nothing is kept: "private".
    """
    return max((one or "people" for one in keeps), key=ORDER.index, default="private")


def least(*keeps: Keeps | None) -> Keeps:
    """What is kept by an algorithm of a part: what is made of a sample holds no more of real users than that does."""
    return min((one or "people" for one in keeps), key=ORDER.index, default="people")


def worst_of(shops: Iterable[Shop]) -> Keeps | None:
    """What rows of some shops keep together; None, a real shop's word, where one of them is real or unknown."""
    said = [shop.keeps for shop in shops]
    return None if None in said else worst(*said)


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

    def _fitted_on(self, shop: Shop | None) -> None:
        """Write down what a shop that it was fitted on keeps; None, where other events than a shop's were looked at."""
        vars(self).pop(FITTED_ON, None)
        if shop is not None and shop.keeps is not None:
            vars(self)[FITTED_ON] = shop.keeps

    def said(self) -> dict[str, Any]:
        """What `algorithm.json` says besides settings and files: what it keeps, in one word and for who reads it."""
        kept = self.kept()
        note = {"note": HOLDS_PEOPLE} if kept == "people" else {}
        return {"keeps": kept, **note}
