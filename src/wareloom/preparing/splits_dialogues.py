"""Splits for proofs of dialogues: whole dialogues, or different utterances intent by intent."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import polars as pl

from wareloom.errors import InputError, SettingError
from wareloom.preparing.splits import PARTS, Split, SplitSettings
from wareloom.preparing.splits_by import dealt
from wareloom.shop.schema import CUSTOMER, REAL
from wareloom.shop.shop import Shop

BY_DIALOGUE, BY_INTENT = "dialogue", "intent"


def real_turns(shop: Shop) -> pl.DataFrame:
    """Return the real turns of a shop's dialogues: the table dialogues, by dialogue and turn."""
    rows = shop.table("dialogues")
    rows = rows.filter(pl.col("origin") == REAL) if "origin" in rows.columns else rows
    return rows.sort("dialogue_id", "turn", maintain_order=True)


def without_labels(rows: pl.DataFrame, shown: pl.Series) -> pl.DataFrame:
    """Return turns of the table dialogues of which only those that are shown keep intent, slots and act."""
    labels = [name for name in ("intent", "slots", "act") if name in rows.columns]
    return rows.with_columns(
        pl.when(shown).then(pl.col(name)).otherwise(None).alias(name) for name in labels
    )


def split_dialogues(shop: Shop, settings: SplitSettings, rows: pl.DataFrame | None = None) -> Split:
    """Split real dialogues into train, validation and test, each whole in one part, by a hash of its id.

    `rows`: those turns of the table dialogues that are to be split; all real ones where None. Raises `SettingError`
    where a part would be empty.
    """
    rows = real_turns(shop) if rows is None else rows
    ids = rows["dialogue_id"].unique(maintain_order=True)
    every = np.ones(len(ids), dtype=bool)
    codes = dealt(ids, every, settings.parts, (settings.seed, "dialogue"))
    part = pl.DataFrame({"dialogue_id": ids, "_part": codes})
    both = rows.join(part, on="dialogue_id", how="left", maintain_order="left")
    return _parted(shop, both, settings, BY_DIALOGUE)


def split_utterances(shop: Shop, settings: SplitSettings, fewest: int) -> Split:
    """Split customers' different utterances, each a dialogue of one turn, intent by intent.

    Each text is taken once, whatever its case and white space, with the intent that it stands for most often: no text
    is in two parts. Intents of fewer than `fewest` different texts are left out. Raises `InputError` where fewer than
    two intents are left.
    """
    rows = real_turns(shop).filter(
        (pl.col("role") == CUSTOMER) & pl.col("text").is_not_null() & pl.col("intent").is_not_null()
    )
    form = pl.col("text").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
    rows = rows.with_columns(_form=form)
    most = (
        rows.group_by("_form", "intent")
        .len()
        .sort(pl.col("len"), "intent", descending=[True, False])
        .unique("_form", keep="first", maintain_order=True)
        .select("_form", "intent")
    )
    once = rows.unique("_form", keep="first", maintain_order=True).drop("intent")
    once = once.join(most, on="_form", how="left", maintain_order="left")
    sizes = once.group_by("intent").len()
    kept = sizes.filter(pl.col("len") >= fewest)["intent"].sort()
    if len(kept) < 2:
        raise InputError(
            f"A proof of intents needs two intents of {fewest} different utterances or more; of {len(sizes)} there are "
            f"{len(kept)}. Lower fewest, or read more."
        )
    once = once.filter(pl.col("intent").is_in(kept.implode()))
    return _parted(shop, _dealt_by_intent(once, settings), settings, BY_INTENT)


def _dealt_by_intent(once: pl.DataFrame, settings: SplitSettings) -> pl.DataFrame:
    """The part of each utterance, in the same shares of every intent, as a column `_part`."""
    # The order of a hash is the same everywhere, and says nothing of the order of the log.
    place = [_digest(settings.seed, form) for form in once["_form"]]
    once = once.with_columns(
        _place=pl.Series(place),
        turn=pl.lit(0, dtype=pl.Int32),
        dialogue_id=pl.format("{}-{}", "dialogue_id", pl.int_range(pl.len())),
    )
    rank, size = pl.col("_place").rank("ordinal").over("intent") - 1, pl.len().over("intent")
    first, second = (np.cumsum(settings.parts) / np.sum(settings.parts))[:2].tolist()
    train = pl.when(rank < (first * size).round()).then(0)
    part = train.when(rank < (second * size).round()).then(1).otherwise(2)
    return once.with_columns(_part=part).drop("_form", "_place")


def _digest(*what: object) -> str:
    return hashlib.blake2b("\x1f".join(map(str, what)).encode(), digest_size=8).hexdigest()


def _parted(shop: Shop, rows: pl.DataFrame, settings: SplitSettings, by: str) -> Split:
    """The three shops of rows with a column `_part`."""
    held = [rows.filter(pl.col("_part") == code).drop("_part") for code in range(3)]
    counts = {name: len(one) for name, one in zip(PARTS, held, strict=True)}
    if empty := [name for name, count in counts.items() if not count]:
        raise SettingError(
            f"The split by {by} leaves {' and '.join(empty)} without dialogues: {counts}. Choose other parts, or read "
            "more dialogues."
        )
    train, validation, test = (shop.with_tables(dialogues=one) for one in held)
    how = {"settings": dataclasses.asdict(settings) | {"by": by}, "cuts": {}}
    return Split(train, validation, test, how | {"rows": {"dialogues": counts}})
