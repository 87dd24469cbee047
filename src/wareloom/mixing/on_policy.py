"""Direct labels where the student itself goes: histories walked on by a network, and labelled by the ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Share, Size
from wareloom.core.top import top_k
from wareloom.mixing._labelled import label_table
from wareloom.mixing.distil import HISTORY, Distil, Task, after_another
from wareloom.rankers import Ranker, mask_seen
from wareloom.rankers.members import blocks, member_scores
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS

FAINT = 1e-3
"""Weight of the walkers' rows: they are read, and hardly learned from; what weighs are their labels"""
SECOND = 1_000_000


@dataclass(kw_only=True, eq=False)
class OnPolicy(Distil):
    """Add direct labels, also at histories that the student walks on to by itself.

    A network is taught on the real rows. From the end of the histories of a share of the users it walks on, each step
    drawn among its `top` best by its own chances. The ensemble that has not seen the user labels each step, as
    `distil` labels real events. So labels are there for whole histories, after which nobody is known to have gone on,
    and where a student ends up by its own mistakes. The walked rows weigh next to nothing and serve as context.
    DAgger (Ross, Gordon and Bagnell 2011); on-policy distillation (Agarwal et al. 2024).
    """

    quick: ClassVar[Mapping[str, Any]] = {**Distil.quick, "student": "item_knn"}

    walks: Share = 0.5
    """Share of the users whose histories are walked on."""
    steps: Size = 2
    """Steps of each walk."""
    top: Size = 10
    """The student's best items, of which each step takes one."""
    student: str = "sasrec"
    """The ranker that walks, fitted on the real rows."""
    student_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults."""

    def _check(self) -> None:
        super()._check()
        RANKERS.make(self.student, **self.student_settings)

    def mix(self, real: Shop, synthetic: Shop | None = None, run: Run | None = None) -> Shop:
        """Return the real shop with walkers, and labels of real events and of steps; `synthetic` is not looked at."""
        run, log = run or Run(), Log.of(real)
        users = np.flatnonzero(log.lengths() > 0)
        order = run.rng("on policy", "users").permutation(len(users))
        users = np.sort(users[order[: round(self.walks * len(users))]])
        if len(users) == 0 or self.ratio * self.weight == 0:
            return super().mix(real, None, run)
        walked = self._walked(self._student(real, run), latest(log, users, HISTORY), run)
        both = _behind(log, walked, self.origin)
        fold = self._dealt(log, run)
        task = Task(
            both,
            log,
            np.concatenate([after_another(log), _ends(walked, self.steps)]),
            np.concatenate([fold, fold[users]]),
        )
        item, share = self._labelled(real, task, run)
        mixed = self._joined(real, both.select(np.arange(len(log.users), len(both.users))))
        return mixed.with_tables(soft_labels=label_table(mixed, both, item, share, self.origin))

    @property
    def origin(self) -> str:
        """What walkers' rows, and all labels, say of where they come from."""
        return f"walks of {self.student}, labels of {self.ranker}"

    def _student(self, real: Shop, run: Run) -> Ranker:
        """The ranker that walks."""
        made: Ranker = RANKERS.make(self.student, **self.student_settings)
        return made.fit(real, run)

    def _walked(self, student: Ranker, histories: Log, run: Run) -> Log:
        """Return the histories, each longer by `steps` events."""
        with run.limits():
            for step in range(self.steps):
                rng = run.rng("on policy", step)
                drawn = np.empty(len(histories.users), dtype=np.int32)
                for start, block in blocks(histories, len(histories.items), 1):
                    scores = member_scores({"": student}, block)[""]
                    if not self.repeats:
                        mask_seen(scores, block)
                    best = top_k(scores, min(self.top, scores.shape[1]))
                    # What a network is asked for comes as the roots of its chances.
                    chance = np.maximum(np.take_along_axis(scores, best, axis=1), 0.0) ** 2
                    reached = chance.cumsum(axis=1)
                    at = (reached < rng.random((len(best), 1)) * reached[:, -1:]).sum(axis=1)
                    drawn[start : start + len(best)] = best[np.arange(len(best)), at]
                histories = longer(histories, drawn)
        return histories

    def _joined(self, real: Shop, walked: Log) -> Shop:
        """The real shop with the walkers, whose rows weigh next to nothing."""
        ids = walked.users.ids.gather(walked.user)
        has_users = real.has("events", "user_id")
        names = {"user_id": ids} if has_users else {}
        if real.has("events", "session_id"):
            session = pl.format("{}/{}", ids, pl.Series(walked.session))
            names["session_id"] = pl.select(session).to_series() if has_users else ids
        time = pl.Series(walked.time).replace(int(NO_TIME), None).cast(pl.Datetime("us"))
        rows = pl.DataFrame(
            {
                **names,
                "item_id": walked.items.ids.gather(walked.item),
                "event": pl.Series(EVENTS).gather(walked.event),
                **({"time": time} if real.has("events", "time") else {}),
            }
        ).with_columns(origin=pl.lit(self.origin), weight=pl.lit(FAINT, pl.Float32))
        events = pl.concat([real.table("events"), rows], how="diagonal_relaxed")
        if not (real.has("users") and has_users):
            return real.with_tables(events=events)
        new = pl.DataFrame({"user_id": walked.users.ids}).with_columns(origin=pl.lit(self.origin))
        users = pl.concat([real.table("users"), new], how="diagonal_relaxed")
        return real.with_tables(events=events, users=users)


def latest(log: Log, users: np.ndarray, most: int) -> Log:
    """Return the log of some users (codes) with at most so many of their last events."""
    own = log.select(users)
    ends = np.repeat(own.offsets[1:], own.lengths())
    return own.keep(ends - np.arange(len(own)) <= most)


def longer(log: Log, item: np.ndarray) -> Log:
    """Return the log with one more event for each user, a second after the last and else like it.

    item: int32 [users], codes.
    """
    at, last = log.offsets[1:], log.offsets[1:] - 1
    later = np.where(log.time[last] == NO_TIME, NO_TIME, log.time[last] + SECOND)
    columns = {
        name: np.insert(value, at, value[last])
        for name in ("event", "session", "weight", "real")
        for value in [getattr(log, name)]
    }
    return replace(
        log,
        offsets=log.offsets + np.arange(len(log.offsets)),
        item=np.insert(log.item, at, item),
        time=np.insert(log.time, at, later),
        **columns,
    )


def _ends(log: Log, steps: int) -> np.ndarray:
    """Mark the last `steps` events of each user: bool [events]."""
    found: np.ndarray = np.repeat(log.offsets[1:], log.lengths()) - np.arange(len(log)) <= steps
    return found


def _behind(log: Log, walked: Log, origin: str) -> Log:
    """Return a log with the walkers behind its users, called ORIGIN/ID of the user whose history they walk on."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(log, name), getattr(walked, name)])
        for name in ("item", "time", "event", "session", "weight", "real")
    }
    named = pl.select(pl.format("{}/{}", pl.lit(origin), walked.users.ids)).to_series()
    return replace(
        log,
        users=Vocabulary(pl.concat([log.users.ids, named.rename(log.users.ids.name)])),
        offsets=np.concatenate([log.offsets, log.offsets[-1] + walked.offsets[1:]]),
        span=None,
        label_item=None,
        label_weight=None,
        **columns,
    )
