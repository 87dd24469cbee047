"""What other shops' generators draw for this one: samples of each, screened, on this shop's items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.preparing.splits import Split
from wareloom.proof.decide import listed
from wareloom.proof.other_shops import Bridge, Other, check_copied, of_other_origin
from wareloom.sampling.generator import Generator, Pool
from wareloom.screening import Screen, Screened, made
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import worst_said


@dataclass(frozen=True, kw_only=True)
class TransferPool(Pool):
    """What other shops' generators drew, on this shop's items, and what it is compared with.

    `train` is this shop's own part, `users` how many were asked for in all.
    """

    others: tuple[Other, ...]
    bridge: Bridge
    draws: int

    @cached_property
    def logs(self) -> pl.DataFrame:
        """The other shops' events themselves, on this shop's items: for the limit, and to look for copies alone."""
        logs = [self.bridge.carry(*asked)[0] for asked in self._each()]
        return of_other_origin(logs)

    @cached_property
    def naive(self) -> Shop:
        """Items drawn one by one from the popularity that they have in the other shops."""
        drawn = []
        for shop, run in self._each():
            fitted = SYNTHESIZERS.make("independent").fit(shop, run)
            sample = fitted.sample(self.draws * users_of(shop), run)
            drawn.append(self.bridge.carry(sample, run)[0])
        return self.train.with_tables(events=pl.concat(drawn, how="diagonal_relaxed"))

    @cached_property
    def placebo(self) -> Shop:
        """A walk from anywhere in the catalogue to what reads alike; lengths and times are those of this shop."""
        walk = SYNTHESIZERS.make(
            "teacher", members=("text_knn",), weights={"text_knn": 1.0}, uniform=1.0, neighbours=100
        )
        walk.fit(self.train, self.run)
        each = self.train.rows("events") / max(1, users_of(self.train))
        wanted = self.draws * len(self.logs) / max(1.0, each)
        return walk.sample(max(1, round(wanted)), self.run)

    def _each(self) -> Iterator[tuple[Shop, Run]]:
        """Each other shop with the run that draws for it."""
        for number, one in enumerate(self.others):
            yield one.shop, run_of(self.run, number)


@dataclass(frozen=True)
class Asked:
    """What every other shop is asked for."""

    generator: Generator
    draws: int
    """Users drawn for each user of the other shop"""
    bridge: Bridge


def drawn(
    asked: Asked, others: tuple[Other, ...], parts: Split, train: Shop, run: Run
) -> TransferPool:
    """Fit the generator in each other shop alone, draw, screen there, and put the samples on this shop's items.

    `train`: what this shop has of its own. Raises `LeakError` where another shop's log, or the sample, knows what is
    held out.
    """
    inside, leak = _parted(asked.generator)
    pools, events, told = [], [], []
    for number, one in enumerate(others):
        own, users = run_of(run, number), asked.draws * users_of(one.shop)
        pools.append(inside.pool(one.shop, None, users, own))
        moved, counts = asked.bridge.carry(pools[-1].screened.kept, own)
        events.append(moved)
        told.append(replace(one, told=one.told | counts))
    said = worst_said([train.keeps, *(each.screened.kept.keeps for each in pools)])
    sample = train.with_tables(events=pl.concat(events, how="diagonal_relaxed"), users=None)
    sample = sample.keeping(said)
    folders = [one.folder for one in others]
    pool = TransferPool(
        screened=_together([each.screened for each in pools], sample, folders),
        teachers=(),
        fitted=tuple(one for each in pools for one in each.fitted),
        train=train,
        users=sum(each.users for each in pools),
        run=run,
        others=tuple(told),
        bridge=asked.bridge,
        draws=asked.draws,
    )
    if leak:
        check_copied(pool.logs, parts, listed(folders))
        known = pl.concat([parts.train.table("events"), pool.logs], how="diagonal_relaxed")
        both = parts.train.with_tables(events=known)
        pool.screened.report["leak"] = (
            leak["leak"].screen(sample, both, parts.held_out(), run).report
        )
    return pool


def added(train: Shop, rows: pl.DataFrame, mass: float) -> Shop:
    """Return a shop with events of others, whose weights are made to come to `mass` in all."""
    factor = mass / float(rows["weight"].sum())
    weighed = rows.with_columns(weight=(pl.col("weight") * factor).cast(pl.Float32))
    events = pl.concat([train.table("events"), weighed], how="diagonal_relaxed")
    if not train.has("users") or "user_id" not in rows.columns:
        return train.with_tables(events=events)
    strangers = rows.select("user_id", "origin").drop_nulls("user_id").unique("user_id")
    users = [train.table("users"), strangers.sort("user_id")]
    return train.with_tables(events=events, users=pl.concat(users, how="diagonal_relaxed"))


def users_of(shop: Shop) -> int:
    """How many users have events on known items."""
    return int((Log.of(shop).lengths() > 0).sum())


def run_of(run: Run, number: int) -> Run:
    """The run that draws for one of the other shops."""
    return run.with_(seed=run.seed_for("transfer", number))


def end_of(parts: Split) -> Any:
    """The last time of the training part, after which nothing may be known; None where it is not split by time."""
    if parts.how["settings"]["by"] != "time":
        return None
    return parts.train.scan("events").select(pl.col("time").max()).collect().item()


def _parted(generator: Generator) -> tuple[Generator, dict[str, Screen]]:
    """The generator with the screens that look at the other shop alone; and the leak screen, where it is asked for."""
    inside = tuple(name for name in generator.screens if name != "leak")
    own = {name: each for name, each in generator.screen_settings.items() if name != "leak"}
    settings = {k: v for k, v in generator.screen_settings.items() if k == "leak"}
    leak = made(("leak",), settings) if "leak" in generator.screens else {}
    return replace(generator, screens=inside, screen_settings=own), leak


def _together(screened: list[Screened], sample: Shop, folders: Sequence[str]) -> Screened:
    """The sample of all shops, with the reports of each."""
    report: dict[str, Any] = {}
    for each, folder in zip(screened, folders, strict=True):
        where = f" in {folder}" if len(folders) > 1 else ""
        report |= {f"{name}{where}": found for name, found in each.report.items()}
    counts = Counter[str]()
    for each in screened:
        counts.update({name: each.sampling[name] for name in ("asked", "drawn", "kept")})
    sampling: dict[str, Any] = dict(counts)
    sampling["rounds"] = max(each.sampling["rounds"] for each in screened)
    sampling["acceptance"] = counts["kept"] / max(1, counts["drawn"])
    if warnings := [each.sampling["warning"] for each in screened if "warning" in each.sampling]:
        sampling["warning"] = " ".join(warnings)
    return Screened(sample, {}, report, sampling)
