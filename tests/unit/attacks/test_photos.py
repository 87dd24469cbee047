"""Attacks on pictures: a planted copy is found, honest pictures pass, and what cannot be told is said."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from PIL import Image

from wareloom.attacks import run_attacks
from wareloom.attacks.photos import NAMES
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.preparing.picture_sizes import reduced, smaller, usual_side
from wareloom.shop import Shop
from wareloom.shop.pictures import encode, opened
from wareloom.testing.lively import lively

RUN = Run(seed=2, threads=1, quiet=True)


@pytest.fixture(scope="module")
def sides() -> tuple[Shop, Shop, Shop]:
    """REAL, honest pictures of other photos of the same kind, and the holdout."""
    return drawn(1), made(drawn(2)), drawn(3)


def drawn(seed: int, photos: int = 60) -> Shop:
    """Coarse patterns of colours at 48 pixels, each of an item of its own."""
    rng, ids = np.random.default_rng(seed), [f"{seed}-{i}" for i in range(photos)]
    files = []
    for _ in ids:
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        files.append(encode(np.asarray(coarse.resize((48, 48), 2)), "JPEG"))
    images = pl.DataFrame({"item_id": ids, "image_id": ids, "image": files})
    return Shop({"items": pl.DataFrame({"item_id": ids}), "images": images})


def made(shop: Shop, files: list[bytes] | None = None) -> Shop:
    """The shop's pictures as those of a generator, some of them replaced."""
    images = shop.table("images").with_columns(origin=pl.lit("maker@1"))
    if files is not None:
        rest = images["image"].to_list()[len(files) :]
        images = images.with_columns(image=pl.Series([*files, *rest], dtype=pl.Binary))
    return shop.with_tables(images=images)


def again(shop: Shop, number: int, *, mirrored: bool = False) -> list[bytes]:
    """Photos saved anew, so that their bytes differ."""
    found = []
    for data in shop.table("images")["image"].to_list()[:number]:
        pixels = np.asarray(opened(data))
        found.append(encode(pixels[:, ::-1] if mirrored else pixels, "JPEG"))
    return found


def test_planted_copies_are_found_and_honest_pictures_pass(sides: tuple[Shop, Shop, Shop]) -> None:
    real, honest, held = sides
    clean = run_attacks(real, honest, held, RUN)
    assert [one.name for one in clean.outcomes] == list(NAMES)
    assert clean.caught == ()
    about = clean.outcome("near_copies").about
    assert about["members with a near copy"] <= about["others with a near copy, high"]
    assert about["members with a near copy, high"] > 0, "none of sixty is no proof of none"
    for mirrored in (False, True):
        # A quarter of the photos, saved anew, stand among honest pictures.
        copied = made(honest, again(real, 15, mirrored=mirrored))
        report = run_attacks(real, copied, held, RUN)
        assert "near_copies" in report.caught, str(report)
        found = report.outcome("near_copies").about
        assert found["members with a near copy"] >= 0.15
        assert found["others with a near copy"] <= 0.05
        assert report.high > clean.high


def test_copies_of_fewer_pixels_are_found(sides: tuple[Shop, Shop, Shop]) -> None:
    real, honest, held = sides
    assert usual_side(real) == 48
    small = reduced(made(honest, again(real, 20)), 24)
    assert smaller(small, real) == 24
    assert smaller(real, small) == 0
    report = run_attacks(real, small, held, RUN)
    assert "near_copies" in report.caught
    assert any("24 pixels" in note for note in report.notes)


def test_made_pictures_beside_events_are_attacked_too(
    sides: tuple[Shop, Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The attacks on what people do are others' matter, and take long.
    monkeypatch.setattr("wareloom.attacks.chosen", lambda *_: {})
    real, honest, held = sides
    copied = made(honest, again(real, 15))
    whole = [
        pl.concat([shoppers.table("items"), shop.table("items")], how="diagonal_relaxed").pipe(
            lambda items, of=shoppers, shop=shop: of.with_tables(
                items=items, images=shop.table("images")
            )
        )
        for shop, shoppers in zip(
            (real, copied, held), (lively(50, seed, f"u{seed}") for seed in (1, 2, 3)), strict=True
        )
    ]
    report = run_attacks(*whole, RUN)
    assert [one.name for one in report.outcomes] == list(NAMES)
    assert "near_copies" in report.caught
    few = whole[2].with_tables(images=held.table("images").head(30))
    left = run_attacks(*whole[:2], few, RUN).left_out
    assert "photos of 40 items" in left["near_copies"]
    assert run_attacks(*whole, RUN, names=["sets"]).outcomes == ()


def test_the_same_seed_tells_the_same(sides: tuple[Shop, Shop, Shop]) -> None:
    assert run_attacks(*sides, RUN).to_json() == run_attacks(*sides, RUN).to_json()


def test_says_what_cannot_be_told(sides: tuple[Shop, Shop, Shop]) -> None:
    real, honest, held = sides
    with pytest.raises(InputError, match="60 of 60 photos of the holdout are photos of REAL"):
        run_attacks(real, honest, real, RUN)
    few = held.with_tables(images=held.table("images").head(30))
    with pytest.raises(InputError, match=r"photos of 40 items .* the holdout 30"):
        run_attacks(real, honest, few, RUN)
