"""Open Bandit: a fashion shop's exposures with positions and propensities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import need, pairs, trace
from wareloom.readers._text import first_line, known, pick, pieces

WANTED = ["timestamp", "item_id", "position", "click", "propensity_score"]


@dataclass(kw_only=True, eq=False)
class OpenBandit(Reader):
    """Open Bandit's exposure log of one campaign and policy (all.csv, men.csv, women.csv) and item_context.csv.

    Each row is an impression (view_item_list) with position and propensity; where it was clicked, a select_item
    follows. Users are unknown: each row is a session of its own, and the user's features are the context of its events.
    """

    meta: ClassVar[dict[str, str]] = {"currency": "JPY", "language": "ja"}
    example: ClassVar[dict[str, str]] = {
        "all.csv": (
            ",timestamp,item_id,position,click,propensity_score\n"
            "0,2019-11-24 00:00:18.004101+00:00,5,3,0,0.0125\n"
            "1,2019-11-24 00:00:19+00:00,6,1,1,0.0125\n"
        ),
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file has click, position and propensity_score."""
        return any(
            "propensity_score" in line and "click" in line
            for line in map(first_line, known(source))
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return events, and items where their context is beside."""
        found = pieces(source)
        context = pick(found, "item_context.csv")
        logs = [p for p in found if "propensity_score" in first_line(p)]
        if len(logs) != 1 or len(context) > 1:
            names = ", ".join(p.where for p in logs) or "none"
            raise SourceError(
                f"{source} should hold the log of one campaign and policy, with propensity_score; it holds {names}."
            )
        frame = intake.delimited(logs[0], encoding=self.encoding)
        there = need(frame, WANTED, logs[0].name)
        features = [c for c in there if c.startswith("user_feature_")]
        intake.not_recognised[logs[0].name] = [c for c in there if c not in (*WANTED, *features)]
        clicked = pl.col("click").cast(pl.Float64, strict=False) == 1
        kinds = (
            pl.when(clicked)
            .then(pl.lit("view_item_list select_item"))
            .otherwise(pl.lit("view_item_list"))
            .str.split(" ")
        )
        made = [pairs(features).alias("context")] if features else []
        events = frame.select(
            *trace(frame),
            *made,
            session_id=pl.lit("s") + pl.col("source_row").cast(pl.String),
            item_id="item_id",
            event=kinds,
            time="timestamp",
            position="position",
            propensity="propensity_score",
        ).explode("event")
        tables = {"events": events}
        if context:
            items = intake.delimited(context[0], encoding=self.encoding)
            columns = need(items, ["item_id"], context[0].name)
            extra = [c for c in columns if c.startswith("item_feature")]
            tables["items"] = items.select(*trace(items), "item_id", attributes=pairs(extra))
        return tables
