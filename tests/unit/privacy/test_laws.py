"""The law of questions: what one says of a user hangs on no other user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from private_shops import PUBLIC, START, crowd, private, shop_of

from wareloom.errors import SettingError
from wareloom.privacy.laws import local
from wareloom.privacy.rows import Answer, Rows


def hours(rows: Rows) -> Answer:
    return rows.all, (rows.log.time // 3_600_000_000) % 24


def lengths(rows: Rows) -> Answer:
    return rows.first, rows.log.lengths()


def steps(rows: Rows) -> tuple[np.ndarray, pl.Series]:
    log = rows.log
    row = np.flatnonzero(log.user[1:] == log.user[:-1])
    return row, pl.Series(log.item[row].astype(np.int64) * 1000 + log.item[row + 1])


def steps_across_users(rows: Rows) -> Answer:
    log = rows.log
    return rows.all[:-1], log.item[:-1].astype(np.int64) * 1000 + log.item[1:]


def days_since_the_first_event_of_all(rows: Rows) -> Answer:
    return rows.all, (rows.log.time - rows.log.time.min()) // 86_400_000_000


def number_among_the_items_there_are(rows: Rows) -> Answer:
    return rows.all, np.unique(rows.log.item, return_inverse=True)[1]


def popularity_of_the_item(rows: Rows) -> Answer:
    return rows.all, np.bincount(rows.log.item)[rows.log.item]


def one_users_rows_as_anothers(rows: Rows) -> Answer:
    return rows.all[::-1], (rows.log.time // 3_600_000_000) % 24


def words(rows: Rows) -> tuple[np.ndarray, pl.Series]:
    frame = rows.table("searches")
    return np.arange(frame.height), frame["query"]


@pytest.mark.parametrize("question", [hours, lengths, steps])
def test_questions_of_each_user_alone_pass(question: Any) -> None:
    shop = shop_of(crowd(60))
    assert local(question, shop, PUBLIC.items(shop))


@pytest.mark.parametrize(
    "question",
    [
        steps_across_users,
        days_since_the_first_event_of_all,
        number_among_the_items_there_are,
        popularity_of_the_item,
        one_users_rows_as_anothers,
    ],
)
def test_questions_that_look_at_others_do_not(question: Any) -> None:
    shop = shop_of(crowd(60))
    assert not local(question, shop, PUBLIC.items(shop))


def test_users_in_the_place_of_rows_are_refused(tmp_path: Path) -> None:
    """Codes of users are numbers of rows, too, but of others' rows: what was counted would be bounded for nobody."""
    shop = shop_of(crowd(60))
    asked = private(shop, tmp_path)
    asked.bounded(5)

    def by_user(rows: Rows) -> Answer:
        return rows.log.user, (rows.log.time // 3_600_000_000) % 24

    assert not local(by_user, shop, PUBLIC.items(shop))
    with pytest.raises(SettingError, match="places of rows, ascending and each once"):
        asked.histogram("hours", by_user, 24, 0.1)
    assert asked._ledger.entries() == []


def test_codes_of_items_are_no_cells_where_the_catalogue_is_not_public() -> None:
    def coded(rows: Rows) -> Answer:
        return rows.all, rows.log.item

    def named(rows: Rows) -> tuple[np.ndarray, pl.Series]:
        return rows.all, rows.log.items.ids.gather(rows.log.item)

    shop = shop_of(crowd(60))
    assert local(coded, shop, PUBLIC.items(shop))
    assert not local(coded, shop)
    assert local(named, shop)


def test_tables_beside_the_log_can_be_asked() -> None:
    searches = [(f"u{n}", f"u{n}/s", f"query {n % 7}", START) for n in range(40)]
    assert local(words, shop_of(crowd(30), searches), of="searches")
