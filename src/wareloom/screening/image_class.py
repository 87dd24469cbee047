"""Does a picture show what it says? By judges that were fitted on the other half of the real photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Fraction, Positive
from wareloom.screening._encoded import classified, encoded, fitted_classes
from wareloom.screening._pictures import Judge, PictureScreen, spread
from wareloom.shop import Shop
from wareloom.shop.pictures import labelled


@dataclass(kw_only=True, eq=False)
class ImageClass(PictureScreen):
    """Take pictures whose class two judges find less likely than that of all but a few real photos.

    The real photos are divided into halves by item, and a judge (logistic regression on EfficientNet-Lite0) is fitted
    on each. A picture that was made of a real photo is judged by the half without it; one from scratch by both, and the
    mean counts. The limit is what a share of the real photos falls below, each judged by the half without it: so a
    photo that is hard to tell is no reason, and a picture of another class is. A picture that was mixed of two passes
    where its classes together are likely.
    """

    share: Fraction = 0.02
    """Share of the real photos that would be taken."""
    decay: Positive = 1e-3
    """Weight of the squares of a judge's weights."""

    def _judge(self, train: Shop, run: Run) -> Judge:
        places, found = encoded(train, run)
        mean, scale = found.mean(axis=0), found.std(axis=0) + 1e-3
        vectors = (found - mean) / scale
        labels = labelled(train).collect()
        kinds = np.array(labels["class"].fill_null("").to_list(), dtype=object)[places]
        names = sorted(set(kinds[kinds != ""].tolist()))
        half_of = _halves(labels["item_id"].to_list(), run.rng(self.name, "halves"))
        half = np.array([half_of[item] for item in labels["item_id"].gather(places).to_list()])
        code = np.array([names.index(k) if k else -1 for k in kinds], dtype=np.int64)
        judges = []
        for one in (0, 1):
            rows = np.flatnonzero((half == one) & (code >= 0))
            judges.append(fitted_classes(vectors[rows], code[rows], len(names), self.decay, run))
        real = self._likely(judges, vectors, 1 - half)
        own = real[np.flatnonzero(code >= 0), code[code >= 0]]
        limit = float(np.quantile(own, self.share)) if len(own) else 0.0

        def judge(shop: Shop) -> list[str | None]:
            found, given = encoded(shop, run)
            made = (given - mean) / scale
            told = labelled(shop).collect()
            other = [1 - half_of.get(item, 2) for item in told["item_id"].gather(found).to_list()]
            likely = self._likely(judges, made, np.array(other, dtype=np.int64))
            reasons: list[str | None] = []
            for row, place in enumerate(found):
                said = [told["class"][int(place)], told["mixed_class"][int(place)]]
                chance = sum(likely[row, names.index(k)] for k in dict.fromkeys(said) if k in names)
                known = any(k in names for k in said)
                best = names[int(likely[row].argmax())]
                taken = known and chance < limit and best not in said
                reasons.append(f"shows {best}, not {said[0]}" if taken else None)
            return spread(shop.rows("images"), found, reasons)

        return judge

    def _likely(
        self, judges: list[tuple[np.ndarray, np.ndarray]], vectors: np.ndarray, by: np.ndarray
    ) -> np.ndarray:
        """Chances of the classes by judge 0 or 1, as `by` says, elsewhere by their mean: [pictures, classes]."""
        both = np.stack([classified(vectors, *one) for one in judges])
        made = both.mean(axis=0)
        for one in (0, 1):
            made[by == one] = both[one][by == one]
        return made


def _halves(items: list[str], rng: np.random.Generator) -> dict[str, int]:
    """Which half each item is in: its photos are all in one."""
    names = sorted(set(items))
    return dict(zip(names, rng.permutation(len(names)) % 2, strict=True))
