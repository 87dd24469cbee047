"""The contract of classifiers of photos."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from wareloom.classifiers import PictureClassifier
from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.shop import Shop
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make, refused
from wareloom.testing.pictures import SHAPES, photo_shop

RUN = Run(seed=1, threads=1)
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every classifier keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


@cache
def photos() -> Shop:
    """Six drawn photos of each of four shapes."""
    return photo_shop(6, side=24)


@cache
def others() -> Shop:
    """As many others, and a file that is no picture."""
    shop = photo_shop(6, seed=9, side=24)
    images = shop.table("images")
    broken = images.head(1).with_columns(image=pl.lit(b"no picture"))
    return shop.with_tables(images=pl.concat([broken, images.tail(-1)]))


@cache
def fitted(cls: type[PictureClassifier]) -> PictureClassifier:
    """One that was fitted on the photos."""
    made: PictureClassifier = make(cls).fit(photos(), RUN)
    return made


@law(LAWS, "saved and restored")
def saved_and_restored(cls: type[PictureClassifier]) -> None:
    """Saved and restored, it has the same settings and says exactly the same."""
    restored = again(fitted(cls))
    assert restored.settings() == fitted(cls).settings()
    np.testing.assert_array_equal(
        restored.predict(others(), RUN), fitted(cls).predict(others(), RUN)
    )


@law(LAWS, "chances")
def chances(cls: type[PictureClassifier]) -> None:
    """What it says is float32 [pictures, classes] and adds up to 1; of a file that is no picture it says nothing."""
    told = fitted(cls).predict(others(), RUN)
    assert fitted(cls).classes_ == sorted(SHAPES)
    assert told.shape == (24, 4)
    assert told.dtype == np.float32
    assert np.isnan(told[0]).all()
    assert (told[1:] >= 0).all()
    np.testing.assert_allclose(told[1:].sum(axis=1), 1, atol=1e-5)


@law(LAWS, "the same seed")
def the_same_seed(cls: type[PictureClassifier]) -> None:
    """Fitted again with the same seed, on a shop that stays as it was, it says exactly the same."""
    before = photos().table("images").clone()
    anew = make(cls).fit(photos(), RUN)
    np.testing.assert_array_equal(anew.predict(others(), RUN), fitted(cls).predict(others(), RUN))
    assert photos().table("images").equals(before)


@law(LAWS, "photos of no weight")
def photos_of_no_weight(cls: type[PictureClassifier]) -> None:
    """A photo of no weight teaches nothing."""
    images = photos().table("images")
    strange = images.with_columns(
        item_id=images["item_id"].reverse(), weight=pl.lit(0.0, dtype=pl.Float32)
    )
    both = photos().with_tables(images=pl.concat([images, strange]))
    np.testing.assert_array_equal(
        make(cls).fit(both, RUN).predict(others(), RUN), fitted(cls).predict(others(), RUN)
    )


@law(LAWS, "what cannot be learned")
def what_cannot_be_learned(cls: type[PictureClassifier]) -> None:
    """Photos of one class, of none, and no photos at all are refused; so is a question before it was fitted."""
    items = photos().table("items")
    one = items.with_columns(category=pl.lit(["hat"]))
    with refused(InputError, "all photos are of 'hat'"):
        make(cls).fit(photos().with_tables(items=one), RUN)
    with refused(InputError, "items with a category"):
        make(cls).fit(photos().with_tables(items=items.drop("category")), RUN)
    with refused(InputError, "items with a category"):
        make(cls).fit(photos().with_tables(images=None), RUN)
    with refused(NotFittedError, "not fitted"):
        make(cls).predict(photos(), RUN)
