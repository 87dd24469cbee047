"""Pictures of two shops side by side: at one size, and only where they are not the same photos."""

from __future__ import annotations

import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.run import Run
from wareloom.evaluation.compare import CompareSettings, compare
from wareloom.metrics.likeness.pictures.picture_copies import PictureCopies
from wareloom.metrics.likeness.pictures.samples import gathered_pictures
from wareloom.preparing.picture_sizes import reduced
from wareloom.shop import Shop
from wareloom.testing.pictures import photo_shop

RUN = Run(seed=1, threads=1, quiet=True)
ONE = CompareSettings(measures=("picture_class",))


@pytest.fixture(scope="module")
def photos() -> list[Shop]:
    return [photo_shop(11, seed, side=48) for seed in (1, 2, 3)]


def test_a_copy_of_fewer_pixels_is_a_copy_still(photos: list[Shop]) -> None:
    real, other, held = photos
    for shown, least, most in ((real, 0.9, 1.0), (other, 0.0, 0.3)):
        images = shown.table("images").with_columns(origin=pl.lit("maker@1"))
        small = reduced(shown.with_tables(images=images), 24)
        trio = gathered_pictures(real, small, held, RUN)
        assert any("24 pixels" in note for note in trio.notes)
        found = PictureCopies(share=0.05).compare(trio, RUN)
        assert not isinstance(found, str)
        assert least <= found[0].value <= most
    same_size = gathered_pictures(real, other, held, RUN)
    assert not any("pixels" in note for note in same_size.notes)


def test_another_shops_photos_are_compared_beside_its_events(photos: list[Shop]) -> None:
    """A sample of shoppers has the photos of the shop itself, which say nothing."""
    shoppers = small_shop(users=60)
    real, other = (
        shoppers.with_tables(
            items=pl.concat([shoppers.table("items"), one.table("items")], how="diagonal_relaxed"),
            images=one.table("images"),
        )
        for one in photos[:2]
    )
    found = compare(real, other, settings=ONE, run=RUN)
    assert [one["name"] for one in found.data["figures"]] == ["picture_class"]
    assert found.data["pictures"]["shops"] == {"real": 44, "synthetic": 44}
    none = compare(real, real, settings=ONE, run=RUN)
    assert none.data["pictures"] is None
    assert "picture_class" in none.data["left_out"]
