"""What shoppers of another shop would do here: their items changed for those of this shop that read alike."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.language.embedders import LEAN
from wareloom.rankers.content.nearest import nearest_among
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.texts import item_texts


def translated(
    other: Shop, shop: Shop, embedder: str, draw: tuple[int, float], run: Run
) -> pl.DataFrame:
    """The events of another shop on items of `shop`: whose, item, event and time, as the shop has them, weight and
    origin.

    Each item of a user is changed for one of the n items that read most alike, drawn with probability ∝ cosine^power;
    the event then weighs cosine^power of what it did, so that a shop of other things says little. `draw` = (n, power).
    What a user had twice stays one item; events on items that nothing here is like are left out. Raises `InputError`
    where no event is left, or a catalogue has no text.
    """
    if not other.has("events"):
        raise InputError("The other shop has no events, so that there is nobody to learn from.")
    there, here = item_texts(other), item_texts(shop)
    made = EMBEDDERS.make(embedder, **LEAN.get(embedder, {})).fit(there + here, run)
    near, cosine = nearest_among(made.vectors(there, run), made.vectors(here, run), draw[0])
    known = Vocabulary(other.table("items")["item_id"])
    events = other.table("events")
    events = events.with_columns(
        owner=user_key(events), code=pl.Series(known.encode(events["item_id"]))
    ).filter((pl.col("code") >= 0) & pl.col("owner").is_not_null())
    pairs = events.select("owner", "code").unique().sort("owner", "code")
    code = pairs["code"].to_numpy()
    like = np.minimum(np.maximum(cosine[code], 0.0), 1.0) ** draw[1]
    running = np.cumsum(like, axis=1, dtype=np.float64)
    drawn = run.rng("teacher", "translate").random(len(code))[:, None] * running[:, -1:]
    place = np.minimum((running <= drawn).sum(axis=1), near.shape[1] - 1)
    found = pl.Series(np.where(running[:, -1] > 0, near[code, place], -1))
    pairs = pairs.with_columns(
        item=found, like=pl.Series(like[np.arange(len(code)), place])
    ).filter(found >= 0)
    events = events.join(pairs, on=["owner", "code"], how="inner", maintain_order="left")
    events = events.with_columns(weight=pl.col("weight") * pl.col("like"))
    if events.is_empty():
        raise InputError(
            "Not one event of the other shop is on an item that reads like one of this shop's: their texts share no "
            "word. Shops in two languages need an embedder that knows both."
        )
    here_id = shop.table("items")["item_id"].gather(events["item"])
    return in_form_of(events.with_columns(item_id=here_id), shop)


def in_form_of(events: pl.DataFrame, shop: Shop) -> pl.DataFrame:
    """Events of another shop with the columns that the shop's own have; with their own where it has no events."""
    had = set(shop.columns("events")) if shop.has("events") else set(events.columns)
    given, owner = set(events.columns), "user_id" if "user_id" in had else "session_id"
    columns = {
        "session_id": pl.col("session_id") if "session_id" in given else pl.lit(None, pl.String),
        owner: pl.col(owner) if owner in given else user_key(events),
        "event": pl.col("event"),
        "time": pl.col("time") if "time" in given else pl.lit(None, pl.Datetime("us")),
    }
    kept = {name: column for name, column in columns.items() if name in had}
    return events.select("item_id", "weight", "origin", **kept)
