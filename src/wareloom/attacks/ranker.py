"""Do the recommendations of a ranker that was taught by the synthetic shop tell whose histories it holds?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.attacks import Attack, Case
from wareloom.attacks._ranked import lists, losses, saved_ranker, vectors
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Size


@dataclass(kw_only=True, eq=False)
class OfRanker(Attack):
    """Tells members by how well a ranker knows them: recommendations beside histories, and how low choices are ranked.

    The ranker is the one in the folder of the model, where there is one, be it taught by SYNTH or by REAL itself; else
    one that is taught by SYNTH here. Another of the same kind, taught by other people, says what is to be expected. Who
    asks for a list sends the earlier half of a history; the distance from the list to the later half, by vectors of
    items that come of other people's choices, is the attack of Zhang and others, “Membership inference attacks against
    recommender systems” (2021).
    """

    ranker: str = "transitions"
    """The ranker that is taught by SYNTH, and the one that is taught by others."""
    most: Size = 2_500
    """Targets of each part that are looked at, members and others; all where there are no more."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Eight scores: nearness of the list, items listed, both losses; and each less what is to be expected."""
        saved = saved_ranker(case.model)
        plain, settings = self.ranker, {}
        if saved is not None:
            plain, settings = saved.name, saved.settings()
        else:
            saved = RANKERS.make(plain).fit(case.synth.log, run)
        usual = RANKERS.make(plain, **settings).fit(case.others.log, run)
        vector = vectors(case.others.log)
        found, expected = (
            np.column_stack([lists(one, case.targets, vector), -losses(one, case.targets)])
            for one in (saved, usual)
        )
        return np.column_stack([found, found - expected])
