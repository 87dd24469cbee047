"""Dialogues of other shops: whose turn it is under other names, and turns by their times."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wareloom.errors import SchemaError
from wareloom.readers import Intake
from wareloom.readers._names import TIMES, plain
from wareloom.shop.schema import AGENT, CUSTOMER

ROLES = {
    CUSTOMER: "customer user client buyer shopper visitor consumer guest caller enduser customers human "
    "顾客 客户 买家 用户 消费者 访客 会员",
    AGENT: "agent seller assistant operator support rep representative staff advisor employee merchant vendor shop "
    "store bot chatbot csr helpdesk 客服 卖家 商家 店家 坐席 人工客服 机器人 智能客服",
}
"""What the two are called, without capitals, blanks and signs"""
_OF = {plain(word): role for role, words in ROLES.items() for word in words.split()}
TURN = "turn by time"
SHOWN = 3


def talks(
    frame: pl.LazyFrame, found: dict[str, str], columns: Sequence[str], name: str, intake: Intake
) -> tuple[pl.LazyFrame, dict[str, str]]:
    """Return dialogues whose roles have this house's names, with turns by their times where they have no numbers.

    `found`: source column by the schema's. Raises `SchemaError` where no role says whose turn it is, or where a time
    cannot be ordered.
    """
    if "role" in found:
        frame = _roles(frame, found["role"], name, intake)
    if "turn" in found or "dialogue_id" not in found:
        return frame, found
    time = next((c for c in columns if plain(c) in TIMES and c not in found.values()), None)
    if time is None:
        return frame, found
    text = pl.col(time).cast(pl.String).str.strip_chars()
    dtype = frame.collect_schema()[time]
    when = pl.col(time).cast(pl.Int64) if dtype.is_temporal() else _moment(text)
    wrong = frame.filter(when.is_null()).select(text).head(1).collect()
    if len(wrong):
        raise SchemaError(
            f"{name}: the turns have no numbers, and the time {wrong[time][0]!r} in the column {time!r} puts none "
            "before another. Write times as 2024-05-01 10:00:00 or as seconds since 1970, or add a "
            "column turn (0, 1, 2 …)."
        )
    turn = when.rank("ordinal").over(found["dialogue_id"]) - 1
    intake.say(
        f"{name}: turns are in the order of {time}, those of one time in the order of the file."
    )
    return frame.with_columns(turn.cast(pl.Int64).alias(TURN)), found | {"turn": TURN}


def _moment(text: pl.Expr) -> pl.Expr:
    """A time as a number that grows with it; null for one that can be read in two ways."""
    number = pl.when(text.str.contains(r"^\d+(\.\d+)?$")).then(text).cast(pl.Float64, strict=False)
    year = text.str.contains(r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]|$)")
    iso = pl.when(year).then(
        text.str.replace(r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", "$1-$2-$3").str.replace("T", " ")
    )
    read = pl.coalesce(
        *(
            iso.str.strip_suffix("Z").str.to_datetime(form, strict=False, time_unit="us")
            for form in ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
        ),
        iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", strict=False, time_unit="us")
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None),
    )
    return pl.coalesce(number, read.cast(pl.Int64).cast(pl.Float64) / 1e6)


def _roles(frame: pl.LazyFrame, column: str, name: str, intake: Intake) -> pl.LazyFrame:
    """The roles under their names here; those that are neither are kept as they are, and told of."""
    counts = frame.group_by(pl.col(column).cast(pl.String).alias("role")).len().collect()
    there = {role: int(n) for role, n in counts.sort("role").iter_rows() if role is not None}
    known = {role: _OF[plain(role)] for role in there if plain(role) in _OF}
    others = {role: n for role, n in there.items() if role not in known}
    told = ", ".join(f"{role!r} ({n:,})" for role, n in list(others.items())[:SHOWN])
    if others and not known:
        raise SchemaError(
            f"{name}, column {column!r}: no role says whose turn it is: {told}. Write customer and agent (buyer and "
            "seller, user and assistant, 买家 and 客服 are understood, too)."
        )
    if others:
        intake.say(
            f"{name}: {sum(others.values()):,} turns are of neither side: {told}. They are kept, and nothing is "
            "learned from them; write customer or agent for those of one."
        )
    renamed = {role: to for role, to in known.items() if role != to}
    if renamed:
        shown = ", ".join(f"{role} is {to}" for role, to in list(renamed.items())[:4])
        intake.say(f"{name}: whose turn it is, is told by other names: {shown}.")
    return frame.with_columns(pl.col(column).cast(pl.String).replace(known))
