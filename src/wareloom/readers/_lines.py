"""Lines of orders: what an order says on its first line alone, parts of bundles, totals, lines that were taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from wareloom.readers._bundles import COMMA, OWN_PRICE, amounts, links, parts_of
from wareloom.readers._names import EMAILS, plain, recognise

SAMPLE = 20_000
"""Rows from which it is told how a file writes its orders"""
ORDER = {
    "orderid", "order", "basketid", "invoiceid", "invoiceno", "invoice", "ordernumber", "orderno", "ordernr",
    "orderkey", "ordercode", "ordername", "salesorderid", "purchaseid", "transactionid", "invoicenumber", "incrementid",
    "receiptid", "amazonorderid", "订单", "订单号", "订单id", "订单编号",
}  # fmt: skip
"""Names of the column that holds the lines of an order together"""
OF_LINE = {
    "linetotal", "lineitemtotal", "orderlinetotal", "rowtotal", "linesubtotal", "itemtotal", "lineamount", "linevalue",
    "productnetrevenue", "productrevenue", "itemrevenue", "salesvalue", "dollarsales",
    "小计",
}  # fmt: skip
"""Names of a value that is a line's whatever it holds"""
STATES = ("financialstatus", "orderstatus", "status", "orderstate", "state", "订单状态")
STATE = "order state"
"""What the state of an order is called that stands in the order's own file"""
UNDONE = {
    "refunded", "cancelled", "canceled", "voided", "failed", "trash", "expired", "wc-refunded", "wc-cancelled",
    "wc-failed", "wc-trash", "已退款", "已取消",
}  # fmt: skip
"""States of orders that came to nothing"""
BACK = {"qtyrefunded", "qtycanceled", "qtycancelled", "quantityrefunded", "refundedquantity"}
"""Columns of how many pieces of a line were taken back"""
KINDS = {"orderitemtype", "lineitemtype", "linetype", "itemtype"}
"""Columns that tell lines of products from postage and fees"""


MADE = " value"
"""A column of values that is made of prices and quantities"""


class Lines:
    """The lines of one file, mended step by step; what was done is kept in `said` and `skipped`."""

    def __init__(
        self, frame: pl.LazyFrame, name: str, found: dict[str, str], columns: Sequence[str]
    ) -> None:
        self.frame, self.name, self.found = frame, name, found
        self.columns = list(columns)
        self.plain = {plain(c): c for c in reversed(self.columns)}
        self.order = found.get("session_id", "")
        self.said: list[str] = []
        self.skipped: dict[str, int] = {}
        self.used: set[str] = set()
        """Columns that were used and are nothing else"""

    @property
    def are_lines(self) -> bool:
        """Whether rows are lines of orders."""
        return bool(self.order) and (
            plain(self.order) in ORDER
            or "lineitemname" in self.plain
            or "lineitemsku" in self.plain
        )

    def mend(self, drop: Mapping[str, tuple[str, ...]] | None, *, valued: bool = False) -> None:
        """Do all that lines of orders need; `drop` says which rows to pass over in place of undone orders.

        A value that the map names (`valued`) stays, whatever it looks like.
        """
        if self.are_lines:
            self._fill()
            self._only_products()
            self._only_whole()
            if drop is None:
                self._without_undone()
            self._net_of_refunds()
            self._names_for_skus()
        self._value(valued)

    def _fill(self) -> None:
        """Give every line of an order what only the first one says: who, when, in which state."""
        wanted = [self.found.get("user_id"), self.found.get("time"), *map(self.plain.get, STATES)]
        wanted += [self.plain.get(name) for name in EMAILS]
        columns = [c for c in dict.fromkeys(wanted) if c and c != self.order]
        if not columns:
            return
        sample = self._sample([self.order, *columns])
        lacking = []
        for column in columns:
            by = sample.drop_nulls(self.order).group_by(self.order)
            lack = by.agg(n=pl.len(), some=pl.col(column).count())
            if lack.filter((pl.col("some") < pl.col("n")) & (pl.col("some") > 0)).height:
                lacking.append(column)
        if not lacking:
            return
        order = pl.col(self.order)
        first = [_text(c).drop_nulls().first().over(order).alias(f" {c}") for c in lacking]
        self.frame = self.frame.with_columns(first).with_columns(
            pl.when(order.is_null())
            .then(_text(c))
            .otherwise(pl.coalesce(_text(c), f" {c}"))
            .alias(c)
            for c in lacking
        )
        self.frame = self.frame.drop([f" {c}" for c in lacking])
        self.said.append(
            f"{self.name}: what one line of an order says in {', '.join(lacking)} is taken for all of its lines."
        )

    def _only_products(self) -> None:
        """Pass over lines of postage, fees and coupons, where a column tells them apart."""
        column = next((self.plain[name] for name in self.plain if name in KINDS), None)
        if column is None:
            return
        self.used.add(column)
        if "line_item" in self._sample([column])[column].to_list():
            self._pass_over("lines that are no products", _text(column) != "line_item")

    def _only_whole(self) -> None:
        """Pass over lines that are parts of others, or a bundle would count twice; their prices go to the whole."""
        item = self.found.get("item_id", "")
        own = next((self.plain[name] for name in OWN_PRICE if name in self.plain), "")
        for link in links(self.plain, item):
            self.used |= {c for c in (*link, own) if c and c != item}
            parts = parts_of(self.frame, self.order, link, self._amount(), own)
            if parts.is_empty():
                continue
            what = "lines that are parts of a line of the same order"
            self.skipped[what] = self.skipped.get(what, 0) + len(parts)
            self.frame = self.frame.with_row_index(" n")
            more = parts.filter(pl.col("more") != 0).group_by("whole").agg(pl.col("more").sum())
            if len(more):
                self._add(more.select(pl.col("whole").alias(" n"), pl.col("more").alias(" more")))
            gone = parts.select(pl.col("n").alias(" n")).lazy()
            self.frame = self.frame.join(gone, on=" n", how="anti", maintain_order="left").drop(
                " n"
            )

    def _amount(self) -> pl.Expr:
        """What a line came to: its value, else its price times its quantity; null where neither is known."""
        value, price = self._own_value(), recognise("items", self.columns).get("price")
        if value:
            return amounts(value)
        return self._priced(price) if price else pl.lit(None, pl.Float64)

    def _priced(self, price: str) -> pl.Expr:
        quantity = self.found.get("quantity")
        return amounts(price) * (_number(quantity).fill_null(1) if quantity else 1)

    def _own_value(self) -> str:
        """The column of the lines' values, where it is no total of orders."""
        column = self.found.get("value", "")
        return "" if column and plain(column) not in OF_LINE and self._is_total(column) else column

    def _add(self, more: pl.DataFrame) -> None:
        """Add amounts ("more") to the values of lines (by number "n")."""
        column, price = self._own_value(), recognise("items", self.columns).get("price", "")
        self.frame = self.frame.join(more.lazy(), on=" n", how="left", maintain_order="left")
        total = self._amount().fill_null(0) + pl.col(" more")
        if column:
            cells = self._sample([column])[column]
            made = _written(total, comma=bool(cells.str.contains(COMMA).any()))
            made = pl.when(pl.col(" more").is_not_null()).then(made).otherwise(_text(column))
        else:
            column, self.found["value"] = MADE, MADE
            rest = pl.coalesce(_written(self._priced(price), comma=False), _text(price))
            made = pl.when(pl.col(" more").is_not_null()).then(_written(total, comma=False))
            made = made.otherwise(rest)
        self.frame = self.frame.with_columns(made.alias(column)).drop(" more")
        self.said.append(
            f"{self.name}: {len(more)} lines have no price beside their parts' prices, which are added up for them."
        )

    def _without_undone(self) -> None:
        """Pass over lines of orders that were refunded or cancelled as a whole."""
        column = next((self.plain[name] for name in STATES if name in self.plain), None)
        if column is None:
            return
        if column == STATE:
            self.used.add(STATE)
        undone = _text(column).str.to_lowercase().is_in(list(UNDONE))
        if n := self._pass_over("lines of orders that were refunded or cancelled", undone):
            self.said.append(
                f"{self.name}: lines of orders that were refunded or cancelled ({column}) are passed over: {n}. "
                f"To keep them, write drop = {{}} for this file in the map."
            )

    def _net_of_refunds(self) -> None:
        """Take from each line's quantity what was taken back, and pass over lines of which nothing is left."""
        quantity = self.found.get("quantity")
        back = [self.plain[name] for name in BACK if name in self.plain]
        if not quantity or not back:
            return
        self.used |= set(back)
        gone = pl.sum_horizontal([_number(c).fill_null(0) for c in back])
        left = _number(quantity) - gone
        touched = gone > 0
        self.frame = self.frame.with_columns(
            pl.when(touched).then(left.cast(pl.String)).otherwise(_text(quantity)).alias(quantity),
            (touched & (left <= 0)).alias(" gone"),
        )
        self._pass_over("lines that were taken back as a whole", pl.col(" gone"))
        self.frame = self.frame.drop(" gone")

    def _names_for_skus(self) -> None:
        """Where a line has no SKU its name stands for it, as shops without SKUs export it."""
        name = self.plain.get("lineitemname")
        item = self.found.get("item_id")
        if name and item and plain(item) == "lineitemsku":
            lacks = self._sample([item])[item].null_count()
            if lacks:
                self.said.append(f"{self.name}: where {item} is empty, {name} stands for it.")
            self.frame = self.frame.with_columns(pl.coalesce(_text(item), _text(name)).alias(item))

    def _value(self, valued: bool) -> None:
        """Drop a value that is its order's total; the price times the quantity goes before any that may be."""
        column = self.found.get("value")
        if column is None or column == MADE or not self.order or plain(column) in OF_LINE:
            return
        how = self._is_total(column)
        if how and valued:
            self.said.append(
                f"{self.name}: {column} {how}, as an order's total is; the map says that it is each line's value."
            )
        elif how:
            self.said.append(
                f"{self.name}: {column} {how}: it is the order's total and no line's value, and is not read."
            )
            del self.found["value"]

    def _is_total(self, column: str) -> str:
        """How a column shows that it is a total of orders and no value of lines; empty where it does not."""
        price, quantity = recognise("items", self.columns).get("price"), self.found.get("quantity")
        price = None if price == column else price
        beside = [c for c in (price, quantity) if c]
        sample = self._sample([self.order, column, *beside]).drop_nulls(self.order)
        sample = sample.with_columns(
            pl.col(c).cast(pl.Float64, strict=False) for c in (column, *beside)
        )
        of_line = pl.col(price) if price else pl.lit(None, dtype=pl.Float64)
        of_line = of_line * (pl.col(quantity).fill_null(1) if quantity else 1)
        total = pl.col(column).replace(0.0, None)
        orders = (
            sample.group_by(self.order, maintain_order=True)
            .agg(
                n=pl.len(),
                some=total.count(),
                kinds=total.drop_nulls().n_unique(),
                first=total.first(),
                own=((pl.col(column) - of_line).abs() < 0.005).all(),
            )
            .filter(pl.col("n") > 1)
        )
        told = orders.filter(pl.col("some") > 0)
        if told.is_empty():
            return ""
        if ((told["some"] == 1) & told["first"].is_not_null()).all():
            return "is filled on the first line of an order alone"
        same = bool((orders["kinds"] <= 1).all())
        # Lines of one price each have one value, too: their own.
        likely = not told["own"].all() if price else len(told) > 1 and told["first"].n_unique() > 1
        return "is the same on all lines of an order" if same and likely else ""

    def _pass_over(self, what: str, condition: pl.Expr) -> int:
        """Take rows out and count them."""
        condition = condition.fill_null(False)
        gone = int(self.frame.select(condition.sum()).collect(engine="streaming").item() or 0)
        if gone:
            self.skipped[what] = self.skipped.get(what, 0) + gone
            self.frame = self.frame.filter(~condition)
        return gone

    def _sample(self, columns: Sequence[str]) -> pl.DataFrame:
        return self.frame.select([_text(c) for c in dict.fromkeys(columns)]).head(SAMPLE).collect()


def _text(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(column)


def _number(column: str) -> pl.Expr:
    return _text(column).cast(pl.Float64, strict=False)


def _written(amount: pl.Expr, *, comma: bool) -> pl.Expr:
    """Amounts as text; three decimals, which could be thousands, have a fourth one."""
    text = amount.round(6).cast(pl.String)
    text = pl.when(text.str.contains(r"\.\d{3}$")).then(text + "0").otherwise(text)
    return text.str.replace(".", ",", literal=True) if comma else text
