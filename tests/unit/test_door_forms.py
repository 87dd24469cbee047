"""How columns are written: any supported form reads back equal, or is refused with a sentence."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.amounts import Marks, amount, currency, marks_of
from wareloom.preparing.door import UNIT_PRICE, admit
from wareloom.preparing.times import clock


def table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / f"{name}.parquet")


def log(**columns: list) -> pl.LazyFrame:
    size = len(next(iter(columns.values())))
    usual = {"user_id": ["u"] * size, "event": ["purchase"] * size, "item_id": ["a"] * size}
    return pl.LazyFrame(usual | columns, strict=False)


DAY, MINUTE, SECOND = (
    {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    {"second": 0, "microsecond": 0},
    {"microsecond": 0},
)
FORMS = {
    "%Y-%m-%d": DAY, "%d.%m.%Y": DAY, "%d-%m-%Y": DAY, "%m/%d/%Y": DAY, "%d/%m/%y": DAY, "%y/%m/%d": DAY,
    "%d-%m-%y": DAY, "%d.%m.%y": DAY, "%Y%m%d": DAY, "%b %d, %Y": DAY, "%B %d, %Y": DAY, "%d %B %Y": DAY,
    "%d-%b-%Y": DAY, "%d-%b-%y": DAY, "%A, %B %d, %Y": DAY, "%Y年%m月%d日": DAY, "%Y/%m/%d": DAY, "%Y.%m.%d": DAY,
    "%d-%m-%Y %H:%M": MINUTE, "%m-%d-%Y %H:%M": MINUTE, "%m/%d/%Y %I:%M %p": MINUTE, "%Y-%m-%d %I:%M %p": MINUTE,
    "%Y%m%d%H%M": MINUTE, "%d.%m.%Y %H:%M": MINUTE, "%b %d, %Y at %I:%M %p": MINUTE, "%Y-%m-%dT%H:%MZ": MINUTE,
    "%Y-%m-%d %H:%M:%S": SECOND, "%a, %d %b %Y %H:%M:%S +0000": SECOND, "%a, %d %b %Y %H:%M:%S GMT": SECOND,
    "%a %b %d %H:%M:%S %Y": SECOND, "%Y%m%d%H%M%S": SECOND, "%Y%m%dT%H%M%SZ": SECOND, "%d/%b/%Y:%H:%M:%S +0000": SECOND,
    "%m/%d/%Y, %I:%M:%S %p": SECOND, "%d/%m/%Y %H:%M:%S": SECOND, "%Y-%m-%d %H:%M:%S UTC": SECOND,
    "%Y-%m-%dT%H:%M:%S.%fZ": {}, "%Y-%m-%d %H:%M:%S.%f": {}, "%Y-%m-%dT%H:%M:%S+00:00": SECOND,
}  # fmt: skip
TICKS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@settings(max_examples=150, deadline=None)
@given(
    moments=st.lists(
        st.datetimes(dt.datetime(1995, 1, 2), dt.datetime(2026, 12, 30)), min_size=1, max_size=6
    ),
    form=st.sampled_from([*FORMS, *TICKS]),
    made=st.sampled_from(["text", "text.0", "int", "float"]),
)
def test_a_time_in_any_form_reads_back_equal_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, moments: list, form: str, made: str
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    if form in TICKS:
        wanted = [m.replace(microsecond=0) for m in moments]
        seconds = [int(m.replace(tzinfo=dt.UTC).timestamp()) for m in wanted]
        cells: list = [str(s * TICKS[form]) for s in seconds]
    else:
        wanted = [m.replace(**FORMS[form]) for m in moments]
        cells = [m.strftime(form) for m in wanted]
    if cells[0].isdigit() and form != "ns":
        cells = {
            "text": cells,
            "text.0": [f"{c}.0" for c in cells],
            "int": [int(c) for c in cells],
            "float": [float(c) for c in cells],
        }[made]
    try:
        admit({"events": log(time=cells)}, folder)
    except SchemaError as error:
        said = str(error)
    else:
        assert table(folder, "events")["time"].to_list() == wanted
        return
    assert "time_format" in said
    assert form not in TICKS


@pytest.mark.parametrize(
    ("cells", "likely", "said"),
    [
        ([45352, 45353], "a spreadsheet's serial date (days since 1899-12-30: about 2024-03-01)",
         "serial"),
        (["45352.520833", "45353.1"], "a spreadsheet's serial date", "serial"),
        ([2023, 2024], "a year alone", "%Y"),
        ([1, 2, 3], "perhaps a counter", "s"),
        ([20240301, 20241301, 20241401], "a date written as one number", "%Y%m%d"),
        (["2.02403E+13"] * 2, "a spreadsheet has rounded", ""),
        ([5e9, 6e9], "no time between 1995 and", "s"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_plausible_times_are_asked_for(
    tmp_path: Path, cells: list, likely: str, said: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        admit({"events": log(time=cells)}, tmp_path)
    message = str(caught.value)
    assert likely in message
    assert f"--set time_format={said}" in message
    assert "Table 'events', column 'time'" in message


def test_forms_that_are_said_are_obeyed(tmp_path: Path) -> None:
    noon = dt.datetime(2024, 3, 1, 12)
    for cells, form, first in (
        ([45352.5], "serial", noon),
        (["45352.5"], "serial", noon),
        ([2024], "%Y", dt.datetime(2024, 1, 1)),
        (["2024-03"], "%Y-%m", dt.datetime(2024, 3, 1)),
        ([7], "s", dt.datetime(1970, 1, 1, 0, 0, 7)),
    ):
        admit({"events": log(time=cells)}, tmp_path, time_format=form)
        assert table(tmp_path, "events")["time"][0] == first
    with pytest.raises(SettingError, match="'%H:%M' says no year"):
        admit({"events": log(time=["12:30"])}, tmp_path, time_format="%H:%M")


def test_a_single_implausible_number_is_malformed(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="row 3, column 'time': '0' is not a time in seconds"):
        admit({"events": log(time=[1709280000, 1709280001, 0])}, tmp_path)


def test_each_file_has_its_own_clock(tmp_path: Path) -> None:
    files = {
        "jan.csv": ["2024-01-05 10:00:00", "2024-01-06 10:00:00"],
        "feb.csv": ["1707127200", "1707213600"],
        "mar.csv": ["03/05/2024 10:00", "03/15/2024 10:00"],
    }
    frame = log(
        time=[c for cells in files.values() for c in cells],
        source_file=[name for name, cells in files.items() for _ in cells],
    )
    told = admit({"events": frame}, tmp_path)
    moments = table(tmp_path, "events")["time"].to_list()
    assert [m.month for m in moments] == [1, 1, 2, 2, 3, 3]
    assert told.times["events.time"].count(";") == 2
    assert "each was read by its own" in " ".join(told.notes)
    told = admit(
        {"events": log(time=["05/06/2024", "2024-01-01"], source_file=["us.csv", "iso.csv"])},
        tmp_path,
        time_format={"us.csv": "%m/%d/%Y"},
    )
    assert table(tmp_path, "events")["time"][0] == dt.datetime(2024, 5, 6)


def test_dates_that_leave_day_and_month_open_ask_files_of_their_shape(tmp_path: Path) -> None:
    def moments(**files: str) -> list:
        frame = log(time=[*files.values()], source_file=[*files])
        told.append(admit({"events": frame}, tmp_path).notes)
        return table(tmp_path, "events")["time"].dt.month().to_list()

    told: list[list[str]] = []
    assert moments(a="03/04/2024", b="13/04/2024") == [4, 4]
    assert any("were read as b has them, the form %d/%m/%Y" in note for note in told[0])
    assert moments(a="04/13/2024", b="03/04/2024 10:00", c="04/13/2024 09:00") == [4, 3, 4]
    for files in (
        {"a": "03-04-2024", "b": "13/04/2024"},
        {"a": "03/04/2024", "b": "13/04/2024 10:00"},
        {"a": "13/04/2024", "b": "04/13/2024", "c": "03/04/2024"},
        {"a": "03/04/2024", "b": "13/04/2024", "c": "04/13/2024"},
    ):
        with pytest.raises(SchemaError, match="day and month cannot be told apart"):
            moments(**files)


def test_a_mark_is_not_taken_from_files_that_differ(tmp_path: Path) -> None:
    frame = {"item_id": ["a", "b", "c", "d"], "price": ["1.299", "1,50", "2,50", "3.50"]}
    files = pl.LazyFrame({**frame, "source_file": ["w", "x", "y", "z"]})
    with pytest.raises(SchemaError, match="no cell of w tells which, and other files differ"):
        admit({"items": files}, tmp_path)


def test_clock_of_day_and_month() -> None:
    assert clock(pl.Series(["13-04-2024", "03-04-2024"]), "here").pattern == "%d-%m-%Y"
    for cells in (["03-04-2024"], ["24/03/01"], ["13/12/10"], ["03/04/55"]):
        with pytest.raises(SchemaError, match="time_format"):
            clock(pl.Series(cells), "here")


def written(number: float, mark: str, groups: str, sign: str, places: int) -> str:
    text = f"{number:,.{places}f}"
    return sign.format(text.replace(",", "G").replace(".", mark).replace("G", groups))


@settings(max_examples=200, deadline=None)
@given(
    amounts=st.lists(st.floats(0.01, 99_999_999).map(lambda v: round(v, 2)), max_size=6),
    telling=st.integers(0, 99).map(lambda n: 5 + n / 100),
    style=st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u00a0"), (".", ""), (",", "")]),
    sign=st.sampled_from(["{}", "${}", "€ {}", "{} €", "{} USD", "USD {}", "{} kr", "CHF {}", "R$ {}"]),
    places=st.sampled_from([2, 3]),
    place=st.integers(0, 6),
)  # fmt: skip
def test_an_amount_in_a_telling_column_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    amounts: list[float], telling: float, style: tuple[str, str], sign: str, places: int, place: int,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("shop")
    numbers = [*amounts[:place], telling, *amounts[place:]]
    cells = [written(n, *style, sign, 2 if n == telling else places) for n in numbers]
    items = pl.LazyFrame({"item_id": [str(k) for k in range(len(cells))], "price": cells})
    admit({"items": items}, folder)
    assert table(folder, "items")["price"].to_list() == pytest.approx(numbers)


def prices(folder: Path, cells: list, **more: str) -> list:
    frame = pl.LazyFrame({"item_id": [str(k) for k in range(len(cells))], "price": cells})
    admit({"items": frame}, folder, **more)  # type: ignore[arg-type]
    return table(folder, "items")["price"].to_list()


def test_what_no_cell_tells_is_asked_for(tmp_path: Path) -> None:
    for cells in (["1.299", "2.500"], ["1,299", "7"], ["5"] * 2000 + ["1.299"]):
        for on_error in ("stop", "reject"):
            with pytest.raises(
                SchemaError, match=r"'[12][.,]\d+' may have a decimal mark.*decimal="
            ):
                prices(tmp_path, cells, on_error=on_error)
    assert prices(tmp_path, ["1.299", "2"], decimal=",") == [1299.0, 2.0]
    assert prices(tmp_path, ["1.299", "2"], decimal=".") == [1.299, 2.0]
    assert prices(tmp_path, ["12,90", "1.299,00", "1.299", "0,500"]) == [12.9, 1299.0, 1299.0, 0.5]
    assert prices(tmp_path, ["5"] * 2000 + ["1.299", "2.5"])[-2:] == [1.299, 2.5]
    assert prices(tmp_path, ["2.5"] * 2000 + ["1,299.00", "1,299"])[-2:] == [1299.0, 1299.0]
    with pytest.raises(SettingError, match="decimal=';' is not known"):
        prices(tmp_path, ["1"], decimal=";")


def test_each_file_has_its_own_mark(tmp_path: Path) -> None:
    frame = log(value=["12.90", "1,299.00", "12,90", "1.299"], source_file=["a", "a", "b", "b"])
    told = admit({"events": frame}, tmp_path)
    assert table(tmp_path, "events")["value"].to_list() == [12.9, 1299.0, 12.9, 1299.0]
    assert "decimal comma" in " ".join(told.notes)


@pytest.mark.parametrize(
    ("text", "value", "sign"),
    [
        ("$1,299.00", 1299.0, "$"), ("€ 12,90", 12.9, "€"), ("10.00 USD", 10.0, "USD"), ("1 299,00 kr", 1299.0, "KR"),
        ("USD 5", 5.0, "USD"), ("12,-", 12.0, None), ("(5.00)", -5.0, None), ("-$5", -5.0, "$"), ("5.00-", -5.0, None),
        ("CHF 1'299.50", 1299.5, "CHF"), ("R$ 1.299,00", 1299.0, "R$"), ("1,00,000.00", 100000.0, None),
        ("¥1,000", None, "¥"), ("on request", None, None), ("5 kg", None, None), ("--5", None, None),
        ("1,2,3", None, None),
        ("3 for 2", None, None), ("10-20", None, None),
    ],
)  # fmt: skip
def test_amounts_that_tell_their_own_mark(text: str, value: float | None, sign: str | None) -> None:
    frame = pl.DataFrame({"text": [text]})
    row = frame.select(
        amount(pl.col("text")).alias("value"), currency(pl.col("text")).alias("sign")
    )
    assert row["value"][0] == value
    assert row["sign"][0] == sign
    assert frame.select(amount(pl.lit("¥1,000"), Marks(plain=False, mark="."))).item() == 1000.0


def test_several_currencies_are_named(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"item_id": list("abc"), "price": ["10.00 USD", "12.00 EUR", "9.00 USD"]})
    told = admit({"items": frame}, tmp_path)
    assert told.currencies == {"items.price": {"USD": 2, "EUR": 1}}
    assert "items.price holds several currencies: USD (2), EUR (1)" in told.warnings[0]


def test_odd_optional_cells_are_blanked_and_their_rows_stay(tmp_path: Path) -> None:
    items = pl.LazyFrame(
        {"item_id": list("abcd"), "price": ["10.00 USD", "N/A", "on request", "5"]}
    )
    tables = {"items": items, "events": log(item_id=list("abcd"), quantity=["1", "x", "2", "-"])}
    with pytest.raises(
        SchemaError, match=r"row 3, column 'price': 'on request' is not a number.*blank"
    ):
        admit(tables, tmp_path)
    told = admit(tables, tmp_path, on_error="reject")
    assert table(tmp_path, "items")["price"].to_list() == [10.0, None, None, 5.0]
    assert table(tmp_path, "events")["quantity"].to_list() == [1.0, None, 2.0, None]
    assert told.taken == {"items": 4, "events": 4}
    assert told.blanked == {
        "items": {"price: not a number": 1},
        "events": {"quantity: not a number": 1},
    }
    assert table(tmp_path / "blanked", "items").rows() == [
        ("c", "on request", "price: not a number", "items", 3)
    ]


def test_a_value_is_made_of_a_price_in_the_form_of_its_column(tmp_path: Path) -> None:
    frame = log(**{UNIT_PRICE: ["12,90", "1.299", "0,500"], "quantity": ["2", "2", None]})
    admit({"events": frame}, tmp_path)
    assert table(tmp_path, "events")["value"].to_list() == [25.8, 2598.0, 0.5]


def test_entities_are_read_before_categories_are_split(tmp_path: Path) -> None:
    cells = ["Home &gt; Mugs &amp; Cups", "A&amp;gt;B", "R&D|X", "None", "(not set)"]
    admit({"items": pl.LazyFrame({"item_id": list("abcde"), "category": cells})}, tmp_path)
    found = table(tmp_path, "items")["category"].to_list()
    assert found == [["Home", "Mugs & Cups"], ["A", "B"], ["R&D", "X"], None, None]


@pytest.mark.parametrize("value", ["1.185", "-1.185", "+1.185"])
def test_a_sign_tells_no_decimal_mark(value: str) -> None:
    assert marks_of(pl.Series([value]), money=True) is None
    assert marks_of(pl.Series([value, "-2.5"]), money=True) == Marks(known=True, mark=".")


def test_numbers_of_full_width_are_numbers(tmp_path: Path) -> None:
    """As a Chinese or Japanese keyboard writes them."""
    items = pl.LazyFrame(
        {"item_id": ["a", "b", "c"], "price": ["１２．５", "￥1，299.00", "３００"]}
    )
    admit({"items": items}, tmp_path)
    assert table(tmp_path, "items")["price"].to_list() == [12.5, 1299.0, 300.0]
