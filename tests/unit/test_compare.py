"""A comparison as a whole: what it says, writes and refuses, and that any tool's tables can be judged."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable
from html import escape
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import wareloom as wl
from lively import lively, lively_events, lively_items
from wareloom.cli import compare as command
from wareloom.core.run import Run
from wareloom.errors import (
    InputError,
    MissingExtraError,
    OutputError,
    SettingError,
    SourceError,
    WareloomError,
)
from wareloom.evaluation.compare import CompareSettings, Comparison, compare_paths
from wareloom.metrics.likeness.samples import _read
from wareloom.report.comparison import comparison_page, save_comparison
from wareloom.shop import Log, Shop

RUN = Run(seed=1, threads=1)
FEW = ("activity", "popularity", "gaps", "hours", "category_entropy", "funnel", "near_copies")


@pytest.fixture(scope="module")
def real() -> Shop:
    return lively(80, 1)


@pytest.fixture(scope="module")
def fake() -> Shop:
    return lively(70, 3, "f")


@pytest.fixture(scope="module")
def found(real: Shop, fake: Shop) -> Comparison:
    how = {
        "settings": {"discriminator": {"trees": 5, "folds": 2}},
        "measures": (*FEW, "discriminator"),
    }
    return wl.compare(real, fake, lively(60, 2, "h"), run=RUN, **how)


def test_it_is_written_and_read_again(found: Comparison, tmp_path: Path) -> None:
    save_comparison(found, tmp_path / "one")
    assert Comparison.open(tmp_path / "one").data == json.loads(json.dumps(found.data))
    page = (tmp_path / "one" / "compare.html").read_text(encoding="utf-8")
    save_comparison(Comparison.open(tmp_path / "one"), tmp_path / "two")
    for name in ("compare.json", "compare.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert all(escape(figure["name"]) in page for figure in found.data["figures"])
    assert found.data["figures"][-1]["about"]["betray"][0]["feature"] in page
    save_comparison(found, tmp_path / "one")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear")
    with pytest.raises(OutputError, match=r"has no compare\.json"):
        save_comparison(found, tmp_path / "mine")


def test_it_says_what_was_compared(found: Comparison) -> None:
    users = found.data["users"]
    assert (users["compared"], users["real"], users["reference"]) == (60, 80, "held out")
    table = found.table()
    assert table.columns[:4] == ["measure", "value", "low", "high"]
    assert set(table["verdict"]) <= {"within", "chance", "beyond"}
    assert str(found).startswith(f"Of {len(table)} figures ")
    assert found.figure("gaps")["unit"] == "powers of ten"
    with pytest.raises(SettingError, match=r"no figure 'gap'.* Did you mean 'gaps'"):
        found.figure("gap")


def test_a_name_cannot_write_into_the_page(real: Shop, fake: Shop) -> None:
    evil = Shop(
        {name: real.scan(name) for name in real.names}, {"name": "<script>alert(1)</script>"}
    )
    page = comparison_page(wl.compare(evil, fake, run=RUN, measures=("activity",)).data)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_without_held_out_users_halves_are_compared_and_that_is_said(
    real: Shop, fake: Shop
) -> None:
    none = wl.compare(real, fake, run=RUN, measures=FEW)
    assert none.data["users"] | {"events": None} == {
        "compared": 40,
        "real": 80,
        "reference": "halves of real",
        "events": None,
    }
    assert "No holdout" in none.data["notes"][0]
    later = lively_events(80, 9).filter(
        pl.col("user_id").is_in(real.table("events")["user_id"].implode())
    )
    same = wl.compare(real, fake, real.with_tables(events=later), run=RUN, measures=FEW)
    assert "80 of 80 held-out users are users of REAL, too" in same.data["notes"][0]
    assert same.data["figures"] == none.data["figures"]


def test_events_on_items_that_nobody_knows_count_and_are_told(real: Shop, fake: Shop) -> None:
    strange = (
        pl.when(pl.int_range(pl.len()) % 3 == 0)
        .then(pl.lit("x"))
        .otherwise("item_id")
        .alias("item_id")
    )
    events = fake.table("events").with_columns(strange)
    items = pl.concat(
        [lively_items(), pl.DataFrame({"item_id": ["x"], "category": [["Shop", "X"]]})]
    )
    odd = wl.compare(
        real, Shop({"items": items, "events": events}), run=RUN, measures=("popularity",)
    )
    assert any(
        re.match(r"33\.\d% of the events of SYNTH are on items that REAL's catalogue lacks", n)
        for n in odd.data["notes"]
    )
    assert odd.figure("popularity.items")["verdict"] == "beyond"


def no_items(shop: Shop) -> Shop:
    renamed = pl.format("p{}", "item_id").alias("item_id")
    return Shop({name: shop.table(name).with_columns(renamed) for name in ("items", "events")})


def emptied(shop: Shop) -> Shop:
    return shop.with_tables(events=shop.table("events").head(0))


def alone(shop: Shop) -> Shop:
    return shop.with_tables(events=None)


def three(shop: Shop) -> Shop:
    return shop.with_tables(
        events=shop.table("events").filter(pl.col("user_id").is_in(["f1", "f2", "f3"]))
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (emptied, "SYNTH has no events on items that its catalogue knows"),
        (alone, "SYNTH has no table 'events': there is no behaviour"),
        (
            no_items,
            "Not one item of SYNTH is an item of REAL: SYNTH has 'pi0', REAL has 'i0'. Both must name",
        ),
        (three, "takes 20 users of a kind or more.* There are 80 of REAL, 3 of SYNTH"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    spoil: Callable[[Shop], Shop], message: str, real: Shop, fake: Shop
) -> None:
    with pytest.raises(InputError, match=message):
        wl.compare(real, spoil(fake), run=RUN)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"measures": ("gap",)}, "No measure of a comparison is called 'gap'. Did you mean 'gaps'"),
        ({"measures": ("ndcg",)}, "No measure of a comparison is called 'ndcg'"),
        ({"tolerance": 0.5}, "tolerance is 0.5 and groups 20; give 1 or more, and 5 to 100"),
        (
            {"measures": ("gaps",), "settings": {"hours": {}}},
            "settings of hours, which is not among",
        ),
        (
            {"settings": {"tail_share": {"heda": 1}}},
            "TailShare has no setting 'heda'. Did you mean 'head'",
        ),
        ({"measure": ()}, "CompareSettings has no setting 'measure'"),
    ],
)
def test_settings_are_checked(
    settings: dict[str, object], message: str, real: Shop, fake: Shop
) -> None:
    with pytest.raises(SettingError, match=message):
        wl.compare(real, fake, run=RUN, **settings)


def test_a_measure_of_shops_is_no_metric_of_rankings() -> None:
    from wareloom.evaluation.ranking import metric
    from wareloom.evaluation.shown_items import click_metric

    with pytest.raises(
        SettingError,
        match="'gaps' judges synthetic shops, not rankings: it is for `wareloom compare`",
    ):
        metric("gaps")
    with pytest.raises(SettingError, match="'gaps' judges synthetic shops, not clicks"):
        click_metric("gaps")


def test_what_is_not_installed_is_left_out_unless_it_was_named(
    real: Shop, fake: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    found = wl.compare(real, fake, run=RUN)
    assert "pip install 'wareloom[learned]'" in found.data["left_out"]["discriminator"]
    assert "sequence_discriminator" not in found.data["left_out"]
    with pytest.raises(
        SettingError, match="no figure 'discriminator': The measure discriminator needs"
    ):
        found.figure("discriminator")
    with pytest.raises(MissingExtraError, match="needs the package 'lightgbm'"):
        wl.compare(real, fake, run=RUN, measures=("discriminator",))


def exported(shop: Shop, folder: Path) -> Path:
    """As another tool would leave it: one table of events, with names of its own, and no catalogue."""
    folder.mkdir()
    names = {"user_id": "customer_id", "item_id": "sku", "event": "action", "time": "timestamp"}
    shop.table("events").select(*names).rename(names).write_csv(folder / "log.csv")
    return folder


def test_any_tools_tables_are_judged(
    real: Shop, fake: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of its own: another process may leave or take something in the common one meanwhile.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    paths = [exported(shop, tmp_path / name) for name, shop in (("real", real), ("fake", fake))]
    real.save(tmp_path / "shop")
    how = CompareSettings(
        measures=("activity", "popularity", "gaps", "hours", "funnel", "repeat_rate")
    )
    plain = compare_paths(*paths, settings=how, run=RUN)
    mixed = compare_paths(tmp_path / "shop", paths[1], settings=how, run=RUN)
    assert list(scratch.iterdir()) == []
    assert (
        mixed.data["figures"]
        == wl.compare(real, fake, run=RUN, measures=how.measures).data["figures"]
    )
    by_name = {figure["name"]: figure["value"] for figure in mixed.data["figures"]}
    for name in ("activity", "gaps", "hours", "repeat_rate"):
        assert plain.figure(name)["value"] == by_name[name]
    with pytest.raises(
        SourceError, match=r"is not there: no such file or folder\. Did you mean 'fake'"
    ):
        compare_paths(paths[0], tmp_path / "fakes", run=RUN)
    (tmp_path / "fake" / "log.csv").write_text("customer_id,sku,timestamp\nu,i0,yesterday\n")
    with pytest.raises(WareloomError, match="yesterday"):
        compare_paths(paths[0], tmp_path / "fake", run=RUN)


def test_the_command(real: Shop, fake: Shop, tmp_path: Path) -> None:
    import typer

    real.save(tmp_path / "real")
    exported(fake, tmp_path / "fake")
    lively(60, 2, "h").save(tmp_path / "held")
    app = typer.Typer()
    app.command()(command.main)
    words = [str(tmp_path / "real"), str(tmp_path / "fake"), "--holdout", str(tmp_path / "held")]
    words += [
        "--measures",
        "activity, co_occurrence",
        "--set",
        "co_occurrence.window=2",
        "--threads",
        "1",
        "--seed",
        "1",
    ]
    told = CliRunner().invoke(app, [*words, "--to", str(tmp_path / "out"), "--json", "--quiet"])
    assert told.exit_code == 0, told.output
    data = json.loads(told.stdout)
    assert data == Comparison.open(tmp_path / "out").data
    assert data["settings"]["settings"] == {"co_occurrence": {"window": 2}}
    assert (tmp_path / "out" / "compare.html").exists()
    text = CliRunner().invoke(app, [*words, "--to", str(tmp_path / "out"), "--force"])
    assert "co_occurrence" in text.stdout
    assert "compare.html" in text.stdout
    (tmp_path / "out" / "compare.json").unlink()
    again = CliRunner().invoke(app, [*words, "--to", str(tmp_path / "out"), "--force"])
    assert isinstance(again.exception, OutputError)
    assert "is not one of Wareloom's folders (it has no compare.json)" in str(again.exception)


def test_the_order_of_ties_is_not_the_one_that_a_synthesizer_saw() -> None:
    events = pl.DataFrame(
        {
            "user_id": [f"u{i // 8}" for i in range(400)],
            "item_id": [f"i{i * 7 % 50}" for i in range(400)],
        }
    )
    events = events.with_columns(
        event=pl.lit("purchase"), time=pl.lit("2024-03-01").str.to_datetime("%Y-%m-%d")
    )
    shop = Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(50)]}), "events": events}
    )
    run = Run(seed=3)
    fitted = Log.of(shop, shuffle_ties=run.seed_for("ties")).item
    judged = _read("real", shop, 2, run).sample.log.item
    # With the same order the known steps of both would be the same, and baskets look better than they are.
    assert (fitted != judged).mean() > 0.5
