"""Can synthetic users be told from real ones by what their items are, and when they were chosen?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.metrics.likeness.users.discriminator import Discriminator
from wareloom.metrics.likeness.users.item_features import describing


@dataclass(kw_only=True, eq=False)
class ItemDiscriminator(Discriminator):
    """Area under the curve of boosted trees that look at items, too; .5 where they cannot tell users apart.

    Beside what `discriminator` looks at they are told when each event was beside the dates at which others chose its
    item, which items others had together, and how brands, prices and words of titles hang together in a history. What
    a shop has none of is left out. Dates, company and usual prices are those of real users that are not judged, so that
    no user is known by its own events. Floor and interval are as of `discriminator`. Needs the extra `learned`.
    """

    def _describing(self, known: Sample, trio: Trio) -> Callable[[Sample], dict[str, np.ndarray]]:
        return describing(known, trio)
