"""Repeated and edited queries are found; those of other people are not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from wareloom.attacks import AttackReport, run_attacks
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Shop
from wareloom.testing.asked import asked, titles, typed
from wareloom.testing.lively import lively

RUN = Run(seed=3, threads=1)


def log(queries: Sequence[str], prefix: str, each: int = 3) -> Shop:
    """A log of searches, a few of each user."""
    rows = pl.DataFrame({"query": queries}).with_row_index("n")
    rows = rows.select(
        "query",
        search_id=pl.format(prefix + "{}", "n"),
        user_id=pl.format(prefix + "{}", pl.col("n") // each),
    )
    return Shop({"items": titles(), "searches": rows})


def found(real: Shop, synth: Shop, holdout: Shop) -> AttackReport:
    return run_attacks(real, synth, holdout, RUN)


MEMBERS, HOLDOUT, OTHERS = (typed(450, seed) for seed in (1, 2, 3))


def test_queries_of_members_that_are_repeated_are_found() -> None:
    report = found(log(MEMBERS, "m"), log(MEMBERS, "s", 1), log(HOLDOUT, "h"))
    assert report.worst.name == "queries"
    assert report.worst.area.value > 0.98
    assert report.users["members"] == 150
    assert report.left_out["pairs"] == "not all sides have events"


def test_queries_of_other_people_are_not() -> None:
    report = found(log(MEMBERS, "m"), log(OTHERS, "s"), log(HOLDOUT, "h"))
    assert report.caught == ()


def test_a_letter_changed_in_each_query_hides_nobody() -> None:
    """Counted as they are, not one of the queries is a member's."""
    rng = np.random.default_rng(0)
    changed = [q[: (i := rng.integers(len(q)))] + "x" + q[i + 1 :] for q in MEMBERS]
    assert len(set(changed) & set(MEMBERS)) < 5
    report = found(log(MEMBERS, "m"), log(changed, "s", 1), log(HOLDOUT, "h"))
    assert report.worst.area.value > 0.9


def test_edits_of_judged_queries_are_found() -> None:
    """Nobody is named in judgments: each query is a target, those that both sides asked are none."""
    real, holdout = (asked(sorted(set(queries)), judged=True) for queries in (MEMBERS, HOLDOUT))
    made = SYNTHESIZERS.make("edits").fit(real, RUN).sample(600, RUN)
    report = found(real, made, holdout)
    assert report.worst.area.value > 0.85
    both = set(MEMBERS) & set(HOLDOUT)
    assert report.users["real"] == len(set(MEMBERS) - both)


def test_addresses_and_numbers_that_are_replayed_are_counted() -> None:
    rng = np.random.default_rng(1)
    mine, theirs = (
        [
            f"order {rng.integers(10**8, 10**9)} of {name}{n}@mail.org" if n % 3 == 0 else q
            for n, q in enumerate(queries)
        ]
        for name, queries in (("ann", MEMBERS), ("bob", HOLDOUT))
    )
    report = found(log(mine, "m"), log(mine[:225], "s", 1), log(theirs, "h"))
    about = report.outcome("queries").about
    assert about["addresses and numbers of members replayed"] == pytest.approx(0.5, abs=0.02)
    assert about["addresses and numbers of others replayed"] == 0.0


def test_queries_stand_beside_events_where_there_are_both() -> None:
    def both(shop: Shop, queries: list[str], prefix: str) -> Shop:
        users = shop.table("events")["user_id"].unique(maintain_order=True)
        rows = pl.DataFrame({"user_id": users, "query": queries[: len(users)]}).with_row_index(
            "search_id"
        )
        return shop.with_tables(searches=rows.cast({"search_id": pl.String}))

    real, holdout = both(lively(150, 1, "m"), MEMBERS, "m"), both(lively(150, 2, "h"), HOLDOUT, "h")
    synth = lively(150, 3, "s").with_tables(
        judgments=asked(MEMBERS, judged=True).table("judgments")
    )
    report = found(real, synth, holdout)
    assert report.outcome("queries").area.value > 0.97
    assert set(report.caught) == {"queries"}


def test_shops_without_events_and_queries_are_refused() -> None:
    bare = Shop({"items": titles()})
    with pytest.raises(InputError, match="SYNTH has neither events nor queries"):
        found(log(MEMBERS, "m"), bare, log(HOLDOUT, "h"))
