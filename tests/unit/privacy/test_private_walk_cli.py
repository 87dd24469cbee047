"""private_walk from the command line: a budget, one release, and no second one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wareloom.cli import app
from wareloom.errors import BudgetError, RefusedError, SourceError
from wareloom.shop import Shop
from wareloom.testing.shops import small_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WARELOOM_LEDGERS", str(tmp_path / "ledgers"))
    small_shop(users=700, items=12).save(tmp_path / "shop")
    return tmp_path / "shop"


def test_one_release_is_paid_for_and_a_second_is_refused(shop: Path, tmp_path: Path) -> None:
    call = ["synth", "private_walk", str(shop), "--public", "items.title,items.category", "--quiet"]
    call += ["--set", "epsilon=8"]
    cli = CliRunner()
    none = cli.invoke(app, [*call, "--to", str(tmp_path / "none")])
    assert isinstance(none.exception, SourceError)
    assert "wareloom budget SHOP --epsilon E --delta D" in str(none.exception)
    # What looks at real users is refused before anything is spent.
    assert (
        cli.invoke(app, ["budget", str(shop), "--epsilon", "8", "--delta", "1e-6"]).exit_code == 0
    )
    looked = cli.invoke(app, [*call, "--to", str(tmp_path / "looked"), "--screens", "copies"])
    assert isinstance(looked.exception, RefusedError)
    assert "not paid for" in str(looked.exception)
    done = cli.invoke(app, [*call, "--to", str(tmp_path / "first"), "--users", "50", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)["privacy"]
    assert told["private"] is True
    assert 0 < told["epsilon"] <= 8
    sample = Shop.open(tmp_path / "first")
    assert sample.keeps == "private"
    assert sample.table("events")["user_id"].n_unique() == 50
    assert "price" not in sample.columns("items"), "only what is public"
    left = json.loads(cli.invoke(app, ["budget", str(shop), "--json"]).stdout)
    assert left["spent"]["epsilon"] == pytest.approx(told["epsilon"])
    second = cli.invoke(app, [*call, "--to", str(tmp_path / "second"), "--users", "50"])
    assert isinstance(second.exception, BudgetError)
    assert "does not begin anew" in str(second.exception)
    assert not (tmp_path / "second").exists()
    assert json.loads(cli.invoke(app, ["budget", str(shop), "--json"]).stdout) == left


def test_behaviour_is_no_public_column(shop: Path, tmp_path: Path) -> None:
    call = ["synth", "private_walk", str(shop), "--to", str(tmp_path / "out"), "--public"]
    done = CliRunner().invoke(app, [*call, "items.attributes.sales_rank"])
    assert isinstance(done.exception, RefusedError)
    assert "made of what customers did" in str(done.exception)
