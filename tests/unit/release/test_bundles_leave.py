"""Bundles for others: only what was made of a release alone leaves; inside nothing changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from bundles import fitted, rewritten, written
from leaving import Leaving, built, evidence
from wareloom.bundle import Bundle
from wareloom.cli import app
from wareloom.errors import GateError, RefusedError, SettingError, SourceError
from wareloom.release.bundles import for_others, refuse_models
from wareloom.release.issue import release
from wareloom.shop import Requests, Shop
from wareloom.shop.keeps import Keeps
from wareloom.testing.shops import small_shop

OPEN: dict[str, Any] = {"preset": "partner", "public": ("items.title",)}


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> Leaving:
    place = tmp_path_factory.mktemp("leaving")
    return built(place, place / "ledgers")


@pytest.fixture(scope="module")
def released(of: Leaving) -> Path:
    """A release of counts, by a policy without attacks: what they say is tested elsewhere."""
    out = of.place / "out"
    release(evidence(of, of.honest, of.place / "ledgers", **OPEN), out)
    return out


def bundle(folder: Path, shop: Shop, name: str = "item_knn") -> Path:
    written(folder, fitted(name, shop), shop)
    return folder


def test_a_bundle_of_a_release_leaves_without_its_recipe(released: Path, tmp_path: Path) -> None:
    inside = bundle(tmp_path / "inside", Shop.open(released))
    for_others(inside, tmp_path / "out", released)
    given = Bundle.open(tmp_path / "out", most="counts")
    assert json.loads((tmp_path / "out" / "recipe.json").read_text()) == {}
    asked = Requests.sessions([["i3", "i4"]])
    own = Bundle.open(inside)
    assert own.recipe != {} == given.recipe
    assert given.rank(asked).equals(own.rank(asked))
    assert given.manifest.created_from == own.manifest.created_from


def test_a_bundle_of_the_shop_does_not_leave(of: Leaving, released: Path, tmp_path: Path) -> None:
    """Naive: it keeps counts, as the policy of the release takes."""
    inside = bundle(tmp_path / "inside", of.real)
    with pytest.raises(GateError, match=r"(?s)not made of the release .*Remedy: release a sample"):
        for_others(inside, tmp_path / "out", released)
    with pytest.raises(GateError, match="keeps counts, and no release is named"):
        for_others(inside, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_a_job_on_a_release_makes_a_bundle_that_leaves(released: Path, tmp_path: Path) -> None:
    """The whole way: a recipe that reads the folder of the release, splits it, proves and makes."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'''
        stages = ["read", "prove", "make"]
        [read]
        source = "{released}"
        [split]
        by = "leave-last-out"
        [synthesize]
        name = "independent"
        screens = []
        [prove]
        ratios = [0.5]
        seeds = 1
        ties = ["file"]
        [train]
        name = "item_knn"
        [make]
        mix = "helps"
        '''
    )
    done = CliRunner().invoke(app, ["run", str(recipe), "--to", str(tmp_path / "job"), "--quiet"])
    assert done.exit_code in (0, 1), done.output
    inside = tmp_path / "job" / "bundle"
    assert Bundle.open(inside).recipe["read"]["source"] == str(released)
    given = for_others(inside, tmp_path / "out", released)
    assert given.keeps == "counts"
    assert str(released) not in (tmp_path / "out" / "recipe.json").read_text()


def test_a_bundle_that_keeps_people_does_not_leave(released: Path, tmp_path: Path) -> None:
    people = Shop.open(released).keeping("people")
    inside = bundle(tmp_path / "inside", people, "user_knn")
    with pytest.raises(GateError, match="it holds real users"):
        for_others(inside, tmp_path / "out", released)
    with pytest.raises(RefusedError, match="keeps people; counts is the most"):
        Bundle.open(inside, most="counts")
    assert Bundle.open(inside).manifest.keeps == "people"  # inside nothing changes


def test_real_rows_beside_the_release_keep_a_bundle_inside(
    of: Leaving, released: Path, tmp_path: Path
) -> None:
    """Naive: the mark of the release is carried over by whatever is put beside it."""
    start = Shop.open(released)
    real = of.real.scan("events").with_columns(pl.format("r/{}", "user_id").alias("user_id"))
    both = pl.concat([start.scan("events"), real], how="diagonal_relaxed")
    mixed = start.with_tables(events=both)
    for place, shop in (("saved", mixed.save(tmp_path / "mixed")), ("said", mixed.keeping(None))):
        inside = bundle(tmp_path / place, shop)
        with pytest.raises(GateError, match="not of it alone"):
            for_others(inside, tmp_path / "out", released)


def test_a_bundle_of_another_release_does_not_leave_by_this_one(
    of: Leaving, released: Path, tmp_path: Path
) -> None:
    release(evidence(of, of.honest, of.place / "ledgers", **OPEN), tmp_path / "second")
    inside = bundle(tmp_path / "inside", Shop.open(tmp_path / "second"))
    with pytest.raises(GateError, match="not made of the release"):
        for_others(inside, tmp_path / "out", released)


def test_what_stays_inside_has_no_mark(of: Leaving, tmp_path: Path) -> None:
    release(evidence(of, of.honest, of.place / "ledgers", preset="inside"), tmp_path / "stays")
    inside = bundle(tmp_path / "inside", Shop.open(tmp_path / "stays"))
    with pytest.raises(GateError, match="not made of the release"):
        for_others(inside, tmp_path / "out", tmp_path / "stays")


@pytest.mark.parametrize(("keeps", "most"), [("counts", "private"), (None, "counts")])
def test_serving_others_is_refused_beyond_what_was_asked(
    keeps: Keeps | None, most: Keeps, tmp_path: Path
) -> None:
    inside = bundle(tmp_path / "inside", small_shop())
    if keeps is None:
        rewritten(inside, lambda told: told.pop("keeps"))
    with pytest.raises(RefusedError, match=f"{most} is the most that was asked for"):
        Bundle.open(inside, most=most)
    wrong: Any = "nothing"
    with pytest.raises(SettingError, match="one of private, counts, people"):
        Bundle.open(inside, most=wrong)


def test_a_model_is_no_sample(of: Leaving, tmp_path: Path) -> None:
    model = bundle(tmp_path / "inside", of.real)
    with pytest.raises(SourceError, match=r"is a bundle, not a sample.*--of RELEASE"):
        refuse_models(model)
    with pytest.raises(SourceError, match="is a saved model, not a sample"):
        refuse_models(model / "ranker")
    refuse_models(of.place / "honest")


def test_a_release_that_was_changed_is_no_release(
    of: Leaving, released: Path, tmp_path: Path
) -> None:
    release(evidence(of, of.honest, of.place / "ledgers", **OPEN), tmp_path / "changed")
    inside = bundle(tmp_path / "inside", Shop.open(tmp_path / "changed"))
    certificate = tmp_path / "changed" / "certificate.json"
    held = certificate.read_text()
    certificate.write_text(held.replace('"keeps": "counts"', '"keeps": "people"'))
    with pytest.raises(RefusedError, match="was changed since"):
        for_others(inside, tmp_path / "out", tmp_path / "changed")


def test_the_command_writes_a_copy_or_says_no(of: Leaving, released: Path, tmp_path: Path) -> None:
    good, bad = bundle(tmp_path / "good", Shop.open(released)), bundle(tmp_path / "bad", of.real)
    for folder, code in ((good, 0), (bad, 1)):
        words = ["bundle", str(folder), "--of", str(released), "--to", str(tmp_path / "out")]
        done = CliRunner().invoke(app, [*words, "--force"])
        assert done.exit_code == code or isinstance(done.exception, GateError), done.output
    assert Bundle.open(tmp_path / "out").recipe == {}
