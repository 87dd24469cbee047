"""Users of several generators in given shares of given slices: drawn, kept, and called by one name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from wareloom.shop import Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.log import counts_in_log
from wareloom.shop.schema import INTERACTIONS
from wareloom.synthesis.draws import numbered

TURNS = 6
"""Times, at most, that a generator is asked for users of the slices that are still lacking"""
MOST, FEW = 10, 100
"""Users, at most, that are drawn for each that is wanted, and a few more"""
OWNER, NUMBER = "__owner", "__number"


def leaning(user: np.ndarray, slice_: np.ndarray, users: int, parts: int) -> np.ndarray:
    """Return the slice that most events of each user are in, of equals the one nearest the tail: int64 [users].

    `user` and `slice_` are those of each event.
    """
    counts = np.bincount(user * parts + slice_, minlength=users * parts).reshape(users, parts)
    found: np.ndarray = parts - 1 - counts[:, ::-1].argmax(axis=1)
    return found


def apportion(n: int, shares: np.ndarray, start: float) -> np.ndarray:
    """Deal `n` among `shares` (which add up to 1) so that each has what is due to it to within one: int64, as `shares`.

    `start`, drawn from 0 to 1, decides who has the last; on average each share has exactly what is due.
    """
    edges = np.cumsum(shares.ravel())
    edges = np.floor(n * np.append(0.0, edges / edges[-1]) + start)
    dealt: np.ndarray = np.diff(edges).astype(np.int64).reshape(shares.shape)
    return dealt


class Drawn:
    """Users of one sample, of whom some are kept."""

    def __init__(self, shop: Shop, items: Vocabulary, slice_: np.ndarray, parts: int) -> None:
        """Read a sample; `slice_` is that of each of `items`, one of `parts`: int64 [items]."""
        self.events = shop.table("events")
        self.events = self.events.with_columns(user_key(self.events).alias(OWNER))
        self.users = shop.table("users") if shop.has("users") else None
        self.owners = Vocabulary(self.events[OWNER].unique(maintain_order=True))
        chosen = self.events.rename({OWNER: "user"}).filter(counts_in_log(INTERACTIONS))
        user = self.owners.encode(chosen["user"]).astype(np.int64)
        self.slice = leaning(user, slice_[items.encode(chosen["item_id"])], len(self.owners), parts)

    def trim(self, chosen: np.ndarray) -> None:
        """Forget the events of all but some owners (codes)."""
        self.events = self.events.filter(
            pl.col(OWNER).is_in(self.owners.ids.gather(chosen).implode())
        )

    def take(
        self, chosen: np.ndarray, numbers: np.ndarray
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Return events and users of some owners (codes) with their new `numbers`."""
        named = pl.DataFrame({OWNER: self.owners.ids.gather(chosen), NUMBER: numbers})
        events = self.events.join(named, on=OWNER, how="inner", maintain_order="left")
        if self.users is None:
            return events, None
        users = self.users.join(
            named, left_on="user_id", right_on=OWNER, how="inner", maintain_order="left"
        )
        return events, users


def draw(sample: Callable[[int, int], Drawn], wanted: np.ndarray) -> list[tuple[Drawn, np.ndarray]]:
    """Draw until there are as many users of each slice as `wanted` (int64 [slices]); returns samples and owners kept.

    `sample(n, turn)` draws n users. What still lacks when that was done `TURNS` times, or `MOST` users were drawn for
    each that is wanted, is made up by users of other slices, so that there are exactly as many in all.
    """
    lacking, total = wanted.copy(), int(wanted.sum())
    kept: list[tuple[Drawn, np.ndarray]] = []
    spare: list[tuple[Drawn, np.ndarray]] = []
    met, size, left_to_draw = np.full(len(wanted), 0.5), total, MOST * total + FEW
    for turn in range(TURNS):
        drawn = sample(size, turn)
        order = np.argsort(drawn.slice, kind="stable")
        here = np.bincount(drawn.slice, minlength=len(wanted))
        place = np.arange(len(order)) - np.repeat(np.cumsum(here) - here, here)
        taken = order[place < lacking[drawn.slice[order]]]
        lacking -= np.minimum(here, lacking)
        others = np.setdiff1d(np.arange(len(order)), taken)[: lacking.sum()]
        drawn.trim(np.concatenate([taken, others]))
        kept.append((drawn, taken))
        spare.append((drawn, others))
        met += here
        left_to_draw -= size
        if not lacking.any() or left_to_draw <= 0:
            break
        size = min(int(np.ceil(1.1 * (lacking * met.sum() / met).max())), left_to_draw)
    for drawn, others in spare:
        missing = total - sum(len(taken) for _, taken in kept)
        kept.append((drawn, others[:missing]))
    return kept


def gathered(
    parts: list[tuple[pl.DataFrame, pl.DataFrame | None]],
    items: pl.DataFrame,
    origin: str,
    mark: str,
    *,
    renamed: bool,
) -> Shop:
    """Return the shop of the users of several samples in the order of their numbers.

    They are called ORIGIN/NUMBER-MARK if `renamed`; `mark` is that of the draw. Sessions become ORIGIN/NUMBER-MARK/0,
    …, but for those without a user, which go by the name of one.
    """
    events = pl.concat([rows for rows, _ in parts], how="diagonal_relaxed").sort(
        NUMBER, maintain_order=True
    )
    own = numbered(origin, NUMBER, mark)
    changes: dict[str, pl.Expr] = {"origin": pl.lit(origin)}
    if "session_id" in events.columns:
        place = pl.int_range(pl.len()).over(NUMBER).alias("__session")
        sessions = (
            events.select(NUMBER, "session_id")
            .drop_nulls()
            .unique(maintain_order=True)
            .with_columns(place)
        )
        events = events.join(sessions, on=[NUMBER, "session_id"], how="left", maintain_order="left")
        alone = pl.col("user_id").is_null() if "user_id" in events.columns else pl.lit(True)
        named = own if renamed else pl.col("session_id")
        changes["session_id"] = (
            pl.when(alone).then(named).otherwise(pl.format("{}/{}", own, "__session"))
        )
    if renamed and "user_id" in events.columns:
        changes["user_id"] = pl.when(pl.col("user_id").is_not_null()).then(own)
    tables = {
        "items": items,
        "events": events.with_columns(**changes).drop("__session", NUMBER, OWNER, strict=False),
    }
    if known := [users for _, users in parts if users is not None]:
        users = (
            pl.concat(known, how="diagonal_relaxed")
            .sort(NUMBER)
            .with_columns(origin=pl.lit(origin))
        )
        tables["users"] = (users.with_columns(user_id=own) if renamed else users).drop(NUMBER)
    return Shop.trusted(tables)
