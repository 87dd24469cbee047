"""What customers do after what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wareloom.language.acts import CUSTOMER_ACTS
from wareloom.metrics.likeness.dialogues.measure import CountedDialogues
from wareloom.metrics.likeness.dialogues.samples import DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Counts, fixed
from wareloom.shop.schema import CUSTOMER
from wareloom.stats.distances import shares

CODE = {act: code + 1 for code, act in enumerate(CUSTOMER_ACTS)}
SIZE = len(CODE) + 1
"""Acts, and beginning or end"""


@dataclass(kw_only=True, eq=False)
class ActPairs(CountedDialogues):
    """Total variation between pairs of acts that follow each other among customers' turns, beginning and end included.

    Turns whose act nothing tells are passed over; dialogues of one turn have no pairs.
    """

    def count(
        self, samples: Sequence[DialogueSample], trio: DialogueTrio
    ) -> dict[str, Counts] | str:
        cells, groups = [], []
        for sample in samples:
            own, of = list[int](), list[int]()
            for dialogue, group in zip(sample.dialogues, sample.group.tolist(), strict=True):
                acts = [CODE.get(s.act, 0) for s in dialogue if s.role == CUSTOMER]
                acts = [act for act in acts if act]
                if len(acts) > 1:
                    pairs = list(pairwise([0, *acts, 0]))
                    own += [a * SIZE + b for a, b in pairs]
                    of += [group] * len(pairs)
            cells.append(np.array(own, dtype=np.int64))
            groups.append(np.array(of, dtype=np.int8))
        return {"": fixed(cells, groups, samples[0].groups, SIZE * SIZE)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return float(np.abs(shares(a) - shares(b)).sum() / 2)
