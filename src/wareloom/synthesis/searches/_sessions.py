"""Search sessions as they are drawn, turn by turn, and the tables they become."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from wareloom.synthesis.draws import numbered

SECOND = 1_000_000
STEPS = {"view_item_list": 0, "select_item": 1, "view_item": 2, "add_to_cart": 3, "purchase": 4}
"""What is done, in the order in which it is done with one item"""
PAUSES = (5, 45)
"""Seconds between two things that are done, at least and at most"""


class Sessions:
    """What a number of sessions searched for, were shown and did."""

    def __init__(
        self,
        origin: str,
        mark: str,
        count: int,
        span: Sequence[int],
        rng: np.random.Generator,
    ) -> None:
        """`mark`: that of the draw. `span`: the first and last time at which a session begins, microseconds; without it
        there are no times."""
        self.origin, self.mark, self.rng = origin, mark, rng
        self.begin = np.sort(rng.integers(span[0], span[1] + 1, size=count)) if len(span) else None
        self.searches: list[pl.DataFrame] = []
        self.events: list[pl.DataFrame] = []

    def add(
        self,
        who: np.ndarray,
        said: Sequence[str],
        found: np.ndarray,
        hit: np.ndarray,
        carted: np.ndarray,
        bought: np.ndarray,
    ) -> None:
        """Take one turn: sessions int64 [n], their queries, the items shown int64 [n, shown] (-1: none), and which of
        these were clicked, put into the cart and bought: bool [n, shown]."""
        turn = len(self.searches)
        self.searches.append(
            pl.DataFrame(
                {
                    "session": who,
                    "turn": np.full(len(who), turn),
                    "query": pl.Series(said, dtype=pl.String),
                }
            ).with_columns(
                results=pl.Series(
                    [row[row >= 0].tolist() for row in found], dtype=pl.List(pl.Int64)
                )
            )
        )
        there = found >= 0
        done = {
            "view_item_list": there,
            "select_item": hit & there,
            "view_item": hit & there,
            "add_to_cart": hit & carted & there,
            "purchase": hit & bought & there,
        }
        for event, mask in done.items():
            row, place = np.nonzero(mask)
            self.events.append(
                pl.DataFrame(
                    {
                        "session": who[row],
                        "turn": np.full(len(row), turn),
                        "place": place,
                        "step": np.full(len(row), STEPS[event]),
                        "item": found[row, place],
                    }
                )
            )

    def tables(self, items: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the tables searches and events."""
        searches, events = pl.concat(self.searches), pl.concat(self.events)
        listed = pl.col("step") == 0
        # A list is shown at once; then its items are looked at one after the other.
        events = events.sort("session", "turn", ~listed, "place", "step")
        own = numbered(self.origin, "session", self.mark)
        ids = [own.alias("session_id"), pl.format("{}-{}", own, "turn").alias("search_id")]
        names = {step: name for name, step in STEPS.items()}
        events = events.with_columns(
            *ids,
            item_id=items.gather(events["item"]),
            event=pl.col("step").replace_strict(names, return_dtype=pl.String),
            position=pl.when(pl.col("step") <= 1).then(pl.col("place") + 1).cast(pl.Int32),
        )
        listing = searches.sort("session", "turn").with_columns(*ids)
        listing = listing.with_columns(results=pl.col("results").list.eval(pl.element()))
        flat = listing.select("search_id", "results").explode("results", empty_as_null=False)
        known = flat.with_columns(results=items.gather(flat["results"])).group_by(
            "search_id", maintain_order=True
        )
        named = listing.drop("results").join(
            known.agg("results"), on="search_id", how="left", maintain_order="left"
        )
        named = named.with_columns(
            pl.col("results").fill_null(pl.lit([], dtype=pl.List(pl.String)))
        )
        keep = ["search_id", "session_id", "query", "results"]
        columns = ["session_id", "item_id", "event", "position", "search_id"]
        if self.begin is not None:
            events, named = self._timed(events, named)
            keep, columns = [*keep, "time"], [*columns, "time"]
        mark = {"origin": pl.lit(self.origin), "weight": pl.lit(1.0)}
        return named.select(keep).with_columns(**mark), events.select(columns).with_columns(**mark)

    def _timed(
        self, events: pl.DataFrame, searches: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give each thing that is done a time: pauses add up within a session, and a list takes none."""
        assert self.begin is not None
        pause = self.rng.integers(PAUSES[0] * SECOND, PAUSES[1] * SECOND, size=len(events))
        first = pl.col("place") == 0
        moves = (
            pl.when(pl.col("step") == 0)
            .then(pl.when(first).then("pause").otherwise(0))
            .otherwise("pause")
        )
        begin = pl.Series(self.begin).gather(events["session"])
        events = events.with_columns(pause=pl.Series(pause), begin=begin)
        events = events.with_columns(
            time=(pl.col("begin") + moves.cum_sum().over("session")).cast(pl.Datetime("us"))
        )
        shown = events.group_by("search_id").agg(pl.col("time").min())
        timed = searches.join(shown, on="search_id", how="left", maintain_order="left")
        begun = pl.Series(self.begin).gather(timed["session"]).cast(pl.Datetime("us"))
        return events, timed.with_columns(pl.col("time").fill_null(begun))
