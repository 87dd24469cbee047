"""Finding items by a photo: one altered finds itself, what is of its kind comes next, and bad photos are named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wareloom.cli.photos import main as photos
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.preparing.picture_operations import altered
from wareloom.rankers.content.picture_search import PictureSearch
from wareloom.shop import Shop
from wareloom.shop.pictures import encode, labelled, opened
from wareloom.stats.metric_head import fit_metric_head
from wareloom.testing.pictures import photo_shop

RUN = Run(seed=1, threads=1, quiet=True)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return photo_shop(10, side=32)


@pytest.fixture(scope="module")
def search(shop: Shop) -> PictureSearch:
    return PictureSearch.of(shop, RUN)


def test_an_altered_photo_finds_itself_and_then_its_kind(shop: Shop, search: PictureSearch) -> None:
    images, rng = shop.table("images"), np.random.default_rng(9)
    asked = [
        encode(altered(np.asarray(opened(one)), rng, ("flip", "colour", "crop")), "JPEG")
        for one in images["image"]
    ]
    found = search.find(asked, k=5, run=RUN)
    assert found.columns == ["photo", "rank", "item_id", "likeness"]
    assert found["rank"].to_list() == [1, 2, 3, 4, 5] * len(asked)
    first = found.filter(pl.col("rank") == 1)["item_id"]
    assert (first == images["item_id"]).mean() > 0.6, "by chance one in forty"
    kind = dict(labelled(shop).select("item_id", "class").collect().rows())
    own = images["item_id"].to_list()
    alike = [kind[row["item_id"]] == kind[own[row["photo"]]] for row in found.to_dicts()]
    assert np.mean(alike) > 0.6, "by chance a quarter"
    # The photo as it is has a likeness of one with itself, and no other is nearer.
    plain = search.find(images["image"].to_list()[:3], k=1, run=RUN)
    assert plain["item_id"].to_list() == own[:3]
    np.testing.assert_allclose(plain["likeness"], 1, atol=1e-4)


def test_the_same_seed_finds_the_same(shop: Shop, search: PictureSearch) -> None:
    np.testing.assert_array_equal(PictureSearch.of(shop, RUN).vectors, search.vectors)


def test_an_item_is_found_once_by_its_likest_photo(shop: Shop) -> None:
    images = shop.table("images").with_columns(
        item_id=pl.when(pl.int_range(pl.len()) < 4).then(pl.lit("one")).otherwise("item_id")
    )
    items = pl.DataFrame({"item_id": ["one"]})
    both = pl.concat([shop.table("items"), items], how="diagonal_relaxed")
    made = PictureSearch.of(shop.with_tables(items=both, images=images), RUN)
    found = made.find([images["image"][3]], k=100, run=RUN)
    assert found["item_id"][0] == "one"
    assert found["item_id"].n_unique() == len(found) == images["item_id"].n_unique()


def test_says_what_cannot_be_searched(shop: Shop, search: PictureSearch) -> None:
    with pytest.raises(InputError, match="Photo 1 cannot be read: give JPEG"):
        search.find([shop.table("images")["image"][0], b"no photo"], run=RUN)
    with pytest.raises(SettingError, match="k is 0"):
        search.find([], k=0)
    assert search.find([], run=RUN).columns == ["photo", "rank", "item_id", "likeness"]
    torn = shop.table("images").head(2).with_columns(image=pl.lit(b"no"))
    with pytest.raises(InputError, match="Of 2 pictures 0 can be read"):
        PictureSearch.of(shop.with_tables(images=torn), RUN)


def test_the_command_finds_items_by_files(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.save(tmp_path / "shop")
    images = shop.table("images")
    (tmp_path / "own.png").write_bytes(images["image"][5])
    how = {"threads": 1, "seed": 1, "as_json": True, "quiet": True}
    photos(tmp_path / "shop", find=[tmp_path / "own.png"], **how)
    found = json.loads(capsys.readouterr().out)["found"]
    assert found[0]["item_id"] == images["item_id"][5]
    assert found[0]["photo"] == str(tmp_path / "own.png")
    assert [row["rank"] for row in found] == list(range(1, 11))
    (tmp_path / "text.jpg").write_text("no photo")
    with pytest.raises(SourceError, match=r"text.jpg is a text, no picture"):
        photos(tmp_path / "shop", find=[tmp_path / "text.jpg"], **how)
    with pytest.raises(SourceError, match=r"--find .*none.png: there is no such file"):
        photos(tmp_path / "shop", find=[tmp_path / "none.png"], **how)
    (tmp_path / "torn.png").write_bytes(images["image"][5][:40])
    with pytest.raises(SourceError, match=r"--find .*torn.png is "):
        photos(tmp_path / "shop", find=[tmp_path / "own.png", tmp_path / "torn.png"], **how)


def test_what_copies_move_is_divided_out() -> None:
    """Planted: copies move far in directions that tell things apart, too; the others are left."""
    rng = np.random.default_rng(0)
    things = rng.normal(size=(120, 24))
    moves = np.zeros(24)
    moves[:16] = 3
    unknown = np.full(120, -1)

    def copies() -> np.ndarray:
        return things + rng.normal(size=things.shape) * (moves + 0.3)

    def itself(copied: tuple[np.ndarray, np.ndarray] | None) -> float:
        head = fit_metric_head(things, unknown, copies=copied)
        near = (head.apply(asked) @ head.apply(things).T).argmax(axis=1)
        return float((near == np.arange(120)).mean())

    asked = copies()
    taught = itself((copies(), np.arange(120)))
    assert taught > 0.75
    assert taught > itself(None) + 0.2
