"""Messages about names of the data: near ones, ten at most, and how many there are, never all of them."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest

import wareloom as wl
from wareloom.cli import app
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, UnknownNameError, absent, near, unknown
from wareloom.synthesis import Given

IDS = [f"customer-{n:05}" for n in range(50_000)]


def test_a_few_near_names_and_the_number_are_said() -> None:
    said = str(absent("user", "customer-0123", IDS))
    assert "there are 50,000" in said
    assert "customer-01239" in said or "customer-01230" in said
    assert said.count("customer-") <= 12
    assert len(said) < 500


def test_where_nothing_is_near_the_form_is_shown() -> None:
    said = str(absent("user", "nobody", IDS))
    assert said == (
        "No user is called 'nobody'; there are 50,000. "
        "They are such as customer-00000, customer-00001, customer-00002."
    )
    assert str(absent("user", "x", [])).endswith("there are 0. They are such as none.")


def test_long_names_are_cut() -> None:
    assert len(str(absent("item", "y" * 10_000, ["z" * 10_000] * 5))) < 600


def test_a_slip_is_found_among_very_many() -> None:
    names = [*IDS, "Anna.Schmidt@example.org", "red-shoes"]
    random.Random(1).shuffle(names)
    assert near("anna.schmidt@example.org", names) == " Did you mean 'Anna.Schmidt@example.org'?"
    assert near("red-shoe", names) == " Did you mean 'red-shoes'?"


def test_names_of_the_house_are_still_listed() -> None:
    said = str(unknown("ranker", "eese", ["ease", "als", "bpr"]))
    assert said == "No ranker is called 'eese'. Did you mean 'ease'? Known: als, bpr, ease."
    assert "there are 50,000" in str(unknown("user", "u", IDS))


def test_an_unknown_user_does_not_print_the_customers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"customer-{n:05}" for n in range(2_000)]
    events = pl.DataFrame({"user_id": ids, "item_id": [f"i{n % 9}" for n in range(2_000)]})
    events.with_columns(time=pl.lit("2024-01-01")).write_csv(tmp_path / "events.csv")
    shop = wl.read(tmp_path / "events.csv", to=tmp_path / "shop")
    wl.ranker("popularity").fit(shop).save(tmp_path / "model")
    words = f"rank {tmp_path / 'model'} --shop {tmp_path / 'shop'} --user"
    for name in ("nobody", "customer-0001"):
        with pytest.raises(UnknownNameError, match=r"there are 2,000") as error:
            app([*words.split(), name], standalone_mode=False)
        assert len(str(error.value)) < 500
    made = SYNTHESIZERS.make("markov").fit(shop, Run())
    with pytest.raises(
        InputError, match=r"'i88' is not in the fitted shop's catalogue\. Did you mean"
    ):
        made.sample(3, Run(), Given(start_items=("i88",)))
    capsys.readouterr()
