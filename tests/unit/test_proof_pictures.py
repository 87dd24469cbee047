"""The proof of pictures: its split, its arms, its draws, and what it says where something was planted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.cli._shared import settings
from wareloom.cli.photos import main as photos_command
from wareloom.cli.split import main as split_command
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SchemaError, SettingError, UnknownNameError
from wareloom.experiment.plan import FEATURES, MIXED, NAIVE, REAL, REPEATED, SYNTHETIC
from wareloom.experiment.result import Proof
from wareloom.experiment.study import Cell
from wareloom.preparing.picture_operations import OPERATIONS
from wareloom.preparing.splits import Split, SplitSettings
from wareloom.preparing.splits_pictures import split_pictures
from wareloom.proof.pictures import AUGMENTED, BOTH, PictureProofSettings, Pictures
from wareloom.proof.prove import prove
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.shop.pictures import decode, labelled
from wareloom.shop.schema import conform
from wareloom.synthesis.images.label_safety import label_safety
from wareloom.testing.pictures import SHAPES, encoded, photo_shop

RUN = Run(seed=1, threads=1, quiet=True)
SMALL: dict[str, Any] = {
    "seeds": 2,
    "ratios": (1.0,),
    "ranker_settings": {"side": 16, "width": 8, "epochs": 3, "least_updates": 0},
}


@pytest.fixture(scope="module")
def proved() -> Proof:
    return prove(photo_shop(14, side=24), PictureProofSettings(labelled=0.5, **SMALL), RUN)


def test_has_its_arms_and_they_take_equal_updates(proved: Proof) -> None:
    arms = (REAL, REPEATED, NAIVE, MIXED, SYNTHETIC, FEATURES)
    data = proved.data
    assert {row["arm"] for row in data["arms"]} == set(arms)
    assert data["kind"] == "pictures"
    assert data["decisive"]["controls"] == [REAL, REPEATED, NAIVE]
    trained = {row["arm"]: row for row in data["training"]}
    assert len({tuple(trained[arm]["updates"]) for arm in arms[:5]}) == 1
    rows = {arm: trained[arm]["images"] for arm in arms}
    assert rows[REAL] == rows[FEATURES] == rows[SYNTHETIC] == [16, 16]
    assert rows[REPEATED] == rows[NAIVE] == rows[MIXED] == [32, 32]


def test_says_its_figures_in_words(proved: Proof) -> None:
    data = proved.data
    assert "to tell photos apart" in str(proved)
    assert "photos" in data["story"]["power"]
    assert "shoppers" not in str(data["story"])
    slices = {row["slice"] for row in data["arms"]}
    assert slices == {"all", *SHAPES}
    assert data["modes"][0]["synthetic"]["origin"].startswith("image_augment@")
    assert data["modes"][0]["synthetic"]["keeps"] == "counts"


def test_the_encoder_tells_drawn_shapes_apart(proved: Proof) -> None:
    """Planted: shapes that a pretrained encoder sees at once, and a network of 16 photos does not."""
    mean = {
        row["arm"]: row["mean"]
        for row in proved.data["arms"]
        if (row["metric"], row["slice"]) == ("accuracy", "all")
    }
    assert mean[FEATURES] > 0.9
    assert mean[FEATURES] > mean[REAL]


def test_pictures_from_scratch_have_to_beat_altered_copies() -> None:
    generator = Generator(synthesizer="image_diffusion", screens=())
    plan = Pictures(photo_shop(4), PictureProofSettings(generator=generator), RUN).plan()
    assert AUGMENTED in plan.controls
    assert BOTH in plan.references
    assert (BOTH, AUGMENTED) in plan.comparisons
    own = Pictures(photo_shop(4), PictureProofSettings(ranker="lite0"), RUN).plan()
    assert own.arms == (REAL, REPEATED, NAIVE, MIXED, SYNTHETIC)


def test_each_seed_draws_its_own_photos_of_every_class() -> None:
    shop = photo_shop(20, side=12)
    study = Pictures(shop, PictureProofSettings(labelled=0.1), RUN)
    drawn = [study.share_of(shop, 1.0, RUN.with_(seed=seed)) for seed in (1, 1, 2)]
    ids = [one.table("images")["image_id"].to_list() for one in drawn]
    assert ids[0] == ids[1] != ids[2]
    for one in drawn:
        assert labelled(one).collect()["class"].value_counts()["count"].to_list() == [2] * 4
    part = study.share_of(shop, 0.5, RUN.with_(seed=1))
    assert set(part.table("images")["image_id"]) < set(ids[0]), "a smaller share is of the larger"


def test_a_draw_stays_out_of_what_judges_it() -> None:
    parts = split_pictures(photo_shop(10, side=12), SplitSettings())
    ids = [set(part.table("images")["image_id"]) for part in parts]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 40
    assert parts.how["rows"]["images"] == {"train": 24, "validation": 8, "test": 8}
    study = Pictures(photo_shop(10, side=12), PictureProofSettings(**SMALL), RUN)
    held = study.prepare("file")
    pool = study.pool(held, held.train, Cell(arm=MIXED, seed=0), RUN)
    known = set(held.train.table("images")["item_id"])
    for name in ("kept", "naive", "repeated", "augmented"):
        assert set(getattr(pool, name).table("images")["item_id"]) <= known


def test_photos_of_an_item_stay_together_and_own_parts_are_taken() -> None:
    shop = photo_shop(12, side=12)
    twice = shop.table("images").with_columns(pl.col("item_id").str.replace(r"[13579]$", "0"))
    parts = split_pictures(shop.with_tables(images=twice), SplitSettings())
    items = [set(part.table("images")["item_id"]) for part in parts]
    assert not items[0] & items[1]
    assert not (items[0] | items[1]) & items[2]
    names = np.resize(["train", "validation", "test"], shop.rows("items"))
    pair = pl.struct(name=pl.lit("split"), value=pl.Series("value", names))
    own = shop.table("items").with_columns(attributes=pl.concat_list(pair))
    named = split_pictures(shop.with_tables(items=own), SplitSettings())
    assert named.how["settings"]["by"] == "own parts"
    assert named.test.table("images")["item_id"].to_list() == [
        one for one, name in zip(own["item_id"], names, strict=True) if name == "test"
    ]


def test_photos_are_split_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo_shop(10, side=12).save(tmp_path / "shop")
    split_command(tmp_path / "shop", tmp_path / "parts", quiet=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["settings"]["by"] == "class"
    assert told["rows"]["images"] == {"train": 24, "validation": 8, "test": 8}
    held = Split.open(tmp_path / "parts")
    lazy = split_pictures(Shop.open(tmp_path / "shop"), SplitSettings())
    for one, other in zip(held, lazy, strict=True):
        assert one.table("images").equals(other.table("images"))
        assert one.rows("items") == 40
    split_command(tmp_path / "shop", tmp_path / "two", set=["parts=[4,1,0]"], quiet=True)
    assert [part.rows("images") for part in Split.open(tmp_path / "two")] == [32, 8, 0]
    with pytest.raises(SettingError, match="leaves validation without photos"):
        split_command(tmp_path / "shop", tmp_path / "none", set=["parts=[99,1,99]"], quiet=True)
    with pytest.raises(SchemaError, match="A split by time needs the table events"):
        split_command(tmp_path / "shop", tmp_path / "none", by="time", quiet=True)


def test_refuses_what_cannot_be_proved() -> None:
    shop = photo_shop(4, side=12)
    bare = shop.with_tables(items=shop.table("items").drop("category"))
    with pytest.raises(InputError, match="needs photos of items with a category"):
        prove(bare, PictureProofSettings(**SMALL), RUN)
    with pytest.raises(SchemaError, match="needs photos of items with a category"):
        split_pictures(bare, SplitSettings())
    with pytest.raises(InputError, match="10 are the fewest"):
        prove(shop, PictureProofSettings(**SMALL), RUN)
    for wrong, message in (
        ({"ranker": "ease"}, "classifier"),
        ({"metrics": ("ndcg@10",)}, "ndcg"),
        ({"generator": Generator(screens=())}, "makes behaviour, not pictures"),
        ({"generator": Generator(synthesizer="image_augment", mixer="fresh")}, "by their ratio"),
    ):
        with pytest.raises((SettingError, UnknownNameError), match=message):
            PictureProofSettings(**wrong).check()
    with pytest.raises(SettingError, match="labelled is 0"):
        PictureProofSettings(labelled=0.0)


def arrows(each: int, seed: int) -> Shop:
    """Arrows that point left and arrows that point right: a mirror makes one of the other."""
    rng, rows = np.random.default_rng(seed), []
    for way in ("left", "right"):
        for number in range(each):
            pixels = np.full((32, 32, 3), 235, dtype=np.float64)
            row, column = np.indices((32, 32))
            y, x = 16 + rng.integers(-3, 4), 6 + rng.integers(-3, 4)
            inside = (abs(row - y) < (column - x) * 0.55) & (column - x < 16)
            pixels[inside if way == "left" else inside[:, ::-1]] = rng.uniform(0, 120, 3)
            pixels += rng.normal(0, 4, pixels.shape)
            rows.append((f"{way}{seed}-{number}", way, encoded(pixels.clip(0, 255).astype("u1"))))
    frame = pl.DataFrame(rows, ["item_id", "class", "image"], orient="row")
    items = frame.select("item_id", pl.concat_list("class").alias("category"))
    images = frame.select("item_id", pl.col("item_id").alias("image_id"), "image")
    tables = {"items": items.lazy(), "images": images.lazy()}
    return Shop.trusted({k: conform(k, one) for k, one in tables.items()}, {}).in_memory()


def test_a_mirror_that_changes_the_label_is_off() -> None:
    found = label_safety(arrows(14, 1), arrows(10, 2), RUN, operations=("flip", "noise"))
    kept = {(row["class"], row["operation"]): row["kept"] for row in found.rows}
    assert kept["left", "flip"] < 0.5
    assert kept["right", "flip"] < 0.5
    assert ("flip" in found.off["left"], "flip" in found.off["right"]) == (True, True)
    assert min(kept["left", "noise"], kept["right", "noise"]) > 0.5
    assert "left: flip" in str(found)
    # Where the mirror changes nothing it stays on.
    plain = label_safety(
        photo_shop(10, side=32), photo_shop(6, seed=4, side=32), RUN, operations=("flip",)
    )
    assert not plain.off, plain.table()
    assert str(plain) == "Every operation leaves every class as it is."
    with pytest.raises(InputError, match="held-out photos of items with a category"):
        label_safety(arrows(4, 1), photo_shop(2).with_tables(images=None), RUN)


def test_the_command_says_what_to_leave_away_and_it_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrows(8, 1).save(tmp_path / "train")
    arrows(5, 2).save(tmp_path / "held")
    photos_command(tmp_path / "train", safe=tmp_path / "held", threads=1, quiet=True, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert "flip" in told["off"]["left"]
    assert len(told["label_safety"]) == 2 * len(OPERATIONS)
    asked = settings([f"off={json.dumps(told['off'])}"])
    made = SYNTHESIZERS.make("image_augment", **asked)
    assert "flip" in made.off["left"]


def test_unsafe_operations_are_left_out_of_the_pool() -> None:
    """Adversary: with the same settings and nothing measured half of the arrows are mirrored."""
    shop, flips = (
        arrows(20, 3),
        Generator(
            synthesizer="image_augment", settings={"operations": ("flip",), "mixed": 0}, screens=()
        ),
    )
    mirrored = {}
    for safe in (True, False):
        study = Pictures(shop, PictureProofSettings(safe=safe, generator=flips, **SMALL), RUN)
        parts = study.prepare("file")
        pool = study.pool(parts, parts.train, Cell(arm=MIXED, seed=0), RUN)
        mirrored[safe] = share_mirrored(pool.kept, shop), share_mirrored(pool.augmented, shop)
        told = study.told(parts, lambda pool=pool: pool)["synthetic"]  # type: ignore[misc]
        assert ("label_safety" in told) == safe
        if safe:
            kept = {"class", "operation", "photos", "kept", "on"}
            assert set(told["label_safety"][0]) == kept
    assert mirrored[True] == (0, 0)
    assert mirrored[False][0] > 0.3


def share_mirrored(made: Shop, real: Shop) -> float:
    """Share of the pictures that are nearer to their item's photo turned round."""
    photos = dict(real.table("images").select("item_id", "image").rows())
    turned = []
    for item, data in made.table("images").select("item_id", "image").rows():
        own, other = (decode(one, 32).astype(int) for one in (data, photos[item]))
        turned.append(np.abs(own - other[:, ::-1]).mean() < np.abs(own - other).mean())
    return float(np.mean(turned))
