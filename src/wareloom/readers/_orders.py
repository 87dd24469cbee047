"""Orders in two files: a header with who and when, and lines with what, joined on the order's id into one log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import polars as pl

from wareloom.readers import Intake
from wareloom.readers._names import plain, recognise
from wareloom.readers._scan import TRACE

ORDER = {
    "orderid",
    "order",
    "basketid",
    "invoiceid",
    "invoiceno",
    "invoice",
    "订单",
    "订单号",
    "订单id",
}
"""Names of the column on which headers and lines are joined."""


def with_headers(
    frames: Sequence[tuple[str, pl.LazyFrame]], mapped: Set[str], intake: Intake
) -> list[tuple[str, pl.LazyFrame]]:
    """Return `frames` (file, frame) with users and times of order headers beside order lines, the headers taken out.

    A header has an order, a user and a time and no item; lines have an order and an item and no user. Files that have
    an order and neither user nor item (payments, reviews) are taken out too. All else stays as it is, as do files that
    are `mapped`, and all files where there are no headers or no lines.
    """
    found = [
        recognise("events", _columns(frame)) if name not in mapped else {} for name, frame in frames
    ]
    orders = [plain(has.get("session_id", "")) in ORDER for has in found]
    heads = [
        o and {"user_id", "time"} <= set(has) and "item_id" not in has
        for o, has in zip(orders, found, strict=True)
    ]
    lines = [
        o and "item_id" in has and "user_id" not in has
        for o, has in zip(orders, found, strict=True)
    ]
    if not any(heads) or not any(lines):
        return list(frames)
    names = [name for (name, _), head in zip(frames, heads, strict=True) if head]
    known = pl.concat(
        [
            _header(frame, has)
            for (_, frame), has, head in zip(frames, found, heads, strict=True)
            if head
        ]
    )
    known = known.drop_nulls("order").group_by("order").agg(pl.all().first())
    out = []
    for number, (name, frame) in enumerate(frames):
        has = found[number]
        if lines[number]:
            out.append((name, _joined(frame, has, known)))
            intake.joined[name] = names
        elif heads[number]:
            used = (has["session_id"], has["user_id"], has["time"])
            if left := [c for c in _columns(frame) if c not in used]:
                intake.not_recognised[name] = left
        elif orders[number] and not {"user_id", "item_id"} & set(has):
            intake.not_recognised[name] = _columns(frame)
        else:
            out.append((name, frame))
    return out


def _columns(frame: pl.LazyFrame) -> list[str]:
    return [c for c in frame.collect_schema().names() if c not in TRACE]


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars()


def _header(frame: pl.LazyFrame, has: Mapping[str, str]) -> pl.LazyFrame:
    """The order's id, user and time."""
    user, time = pl.col(has["user_id"]).cast(pl.String), pl.col(has["time"]).cast(pl.String)
    return frame.select(
        _text(has["session_id"]).alias("order"), user.alias("user_id"), time.alias("time")
    )


def _joined(frame: pl.LazyFrame, has: Mapping[str, str], known: pl.LazyFrame) -> pl.LazyFrame:
    """Lines in their order, with the user and, where they have none, the time of their order."""
    if "time" in has:
        known = known.drop("time")
    lines = frame.with_columns(_text(has["session_id"]).alias(" order"))
    both = lines.join(known, left_on=" order", right_on="order", how="left", maintain_order="left")
    return both.drop(" order")
