"""Is a synthetic user one that could be a user of this shop?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import polars as pl
from annotated_types import Gt, Lt

from wareloom.core.run import Run
from wareloom.errors import SettingError, near
from wareloom.screening import Screen, Screened, reject_users
from wareloom.screening._chances import Chances
from wareloom.screening._discriminator import judge
from wareloom.shop import Log, Shop

JUDGES = ("likelihood", "discriminator")
REASONS = {
    "likelihood": "less likely than nearly all real users",
    "discriminator": "told from real users by what the sequence is like",
}
BANDS = 4
"""Users are held beside real ones of about as many events: so many bands at most."""


@dataclass(kw_only=True, eq=False)
class Plausibility(Screen):
    """Take whole users that are less plausible than nearly all real ones, as one or two judges see it.

    likelihood: an interpolated model of transitions, repeats, categories and popularity, fitted on one half of the
    training users; how surprising it finds a user's events, in bits an event, is held beside the users of the other
    half. discriminator: boosted trees that tell real from synthetic users by features of their sequences, each user
    scored by trees that learned from others; held beside real users in the same way. Each judge takes the users whose
    conformal p-value (1 + real users that are no more plausible) / (1 + real users), among those of about as many
    events, is at most `quantile`: of real users it would take that share (Vovk, Gammerman and Shafer 2005). So with
    fewer than 1 / `quantile` real users to be held beside, nobody can be taken, which the report says.
    """

    judges: tuple[str, ...] = ("likelihood",)
    """Who judges: likelihood, discriminator (pip install 'wareloom[learned]'), or both."""
    quantile: Annotated[float, Gt(0), Lt(0.5)] = 0.01
    """Share of real users that each judge would take."""

    def _check(self) -> None:
        for name in self.judges:
            if name not in JUDGES:
                raise SettingError(
                    f"plausibility: there is no judge {name!r}.{near(name, JUDGES)} Known: {', '.join(JUDGES)}."
                )
        if not self.judges:
            raise SettingError(
                f"plausibility: judges is empty; name {' or '.join(JUDGES)}, or leave the screen out."
            )

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Reject user by user; only the training part is looked at."""
        run = run or Run()
        reasons, told, seen = dict[str, str](), dict[str, Any](), 0
        with run.limits(), run.task("plausibility"):
            real, fake = Log.of(train), Log.of(synthetic)
            seen = int((fake.lengths() > 0).sum())
            for name in dict.fromkeys(self.judges):
                if not seen or not len(real):
                    told[name] = {
                        "looked": False,
                        "why": "one of the shops has no events on items it knows",
                    }
                    continue
                look = self._likelihood if name == "likelihood" else self._discriminator
                users, told[name] = look(synthetic, train, (real, fake), run)
                reasons |= {user: REASONS[name] for user in users if user not in reasons}
        named = pl.DataFrame(
            {"owner": reasons.keys(), "reason": reasons.values()},
            schema=dict.fromkeys(("owner", "reason"), pl.String),
        )
        screened = reject_users(synthetic, named, seen)
        screened.report["judges"] = told
        return screened

    def _likelihood(
        self, synthetic: Shop, train: Shop, logs: tuple[Log, Log], run: Run
    ) -> tuple[list[str], dict[str, Any]]:
        """Ids of the users that are taken, and what to tell."""
        real, fake = logs
        users = run.rng("plausibility", "halves").permutation(np.flatnonzero(real.lengths()))
        half = len(users) // 2
        if half < 2:
            return [], {
                "looked": False,
                "why": f"the training part has {len(users)} users; it takes 4 or more",
            }
        model = Chances.fit(real.select(users[:half]), _categories(train, real), np.arange(half))
        others = real.select(np.sort(users[half:]))
        mine = replace(fake, items=real.items, item=real.items.recode(fake.items)[fake.item])
        mine = mine.select(np.flatnonzero(fake.lengths()))
        score, yard = model.bits(mine), model.bits(others)
        taken, about = self._taken((score, mine.lengths()), (yard, others.lengths()))
        about |= {
            "bits an event": {"real": float(np.median(yard)), "synthetic": float(np.median(score))}
        }
        return mine.users.ids.gather(np.flatnonzero(taken)).to_list(), about

    def _discriminator(
        self, synthetic: Shop, train: Shop, logs: tuple[Log, Log], run: Run
    ) -> tuple[list[str], dict[str, Any]]:
        """Ids of the users that are taken, and what to tell."""
        found = judge(synthetic, train, run)
        if found is None:
            return [], {"looked": False, "why": "there are too few users to teach trees on"}
        taken, about = self._taken((found.score, found.size), (found.real, found.real_size))
        return found.users.gather(np.flatnonzero(taken)).to_list(), about

    def _taken(
        self, fake: tuple[np.ndarray, np.ndarray], real: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Whether each is less plausible than `quantile` allows: bool; score (higher is less plausible) and events."""
        bands = int(np.clip(len(real[0]) * self.quantile / 2, 1, BANDS))
        edges = np.unique(np.quantile(real[1], np.arange(1, bands) / bands))
        of_fake, of_real = (np.searchsorted(edges, side[1], side="left") for side in (fake, real))
        taken = np.zeros(len(fake[0]), dtype=bool)
        for band in range(len(edges) + 1):
            yard = np.sort(real[0][of_real == band])
            mine = of_fake == band
            beyond = len(yard) - np.searchsorted(yard, fake[0][mine], side="left")
            taken[mine] = (1 + beyond) / (1 + len(yard)) <= self.quantile
        about: dict[str, Any] = {
            "looked": True,
            "users": int(taken.sum()),
            "held beside": len(real[0]),
        }
        if (1 + len(real[0])) * self.quantile < 1:
            about |= {
                "looked": False,
                "why": f"{len(real[0])} real users are too few for a quantile of {self.quantile}",
            }
        return taken, about


def _categories(train: Shop, log: Log) -> np.ndarray:
    """Code of the last category of each item's path, int64 [items], 0 where it is unknown."""
    if not train.has("items", "category"):
        return np.zeros(len(log.items), dtype=np.int64)
    names = train.table("items")["category"].list.last()
    return names.rank("dense").fill_null(0).to_numpy().astype(np.int64)
