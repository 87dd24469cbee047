"""Made pictures: what is planted must come out, and what may not leave stays."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import wareloom
from pictures import encoded
from wareloom.cli.gallery import main as gallery
from wareloom.cli.synth import main as synth
from wareloom.core.family import SCREENS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import GateError, InputError, SettingError
from wareloom.preparing.picture_masks import masked
from wareloom.preparing.picture_operations import MIXING, OPERATIONS
from wareloom.release.photos import export_pictures
from wareloom.report.gallery import gallery_page
from wareloom.sampling.rejection import sample_screened
from wareloom.shop import Shop
from wareloom.shop.pictures import (
    decode,
    encode,
    labelled,
    look,
    opened,
    said_of,
    soft_labels,
    training_pictures,
)
from wareloom.synthesis import GivenPictures
from wareloom.testing.made_pictures import KINDS, drawn, pictured

RUN = Run(seed=1, threads=1)


def noisy(kind: str = "box", side: int = 60, wall: int = 235, seed: int = 1) -> np.ndarray:
    """A textured product before a wall whose colour wavers, as a camera has it."""
    rng = np.random.default_rng(seed)
    inside = drawn(kind, 0.6, side)[:, :, 0] < 250
    made = np.full((side, side, 3), wall) + rng.normal(0, 3, (side, side, 3))
    made[inside] = np.array([60, 90, 150]) + rng.normal(0, 12, (int(inside.sum()), 3))
    return made.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mask_is_the_product(kind: str) -> None:
    pixels = noisy(kind)
    inside = drawn(kind, 0.6, 60)[:, :, 0] < 250
    found = masked(pixels)
    assert found is not None
    agree = (found & inside).sum() / (found | inside).sum()
    assert agree > 0.97


def test_white_within_a_product_stays_the_products() -> None:
    pixels = noisy("box")
    pixels[25:35, 25:35] = 235
    found = masked(pixels)
    assert found is not None
    assert found[30, 30]


def test_no_mask_is_better_than_a_wrong_one() -> None:
    rng = np.random.default_rng(2)
    assert masked(rng.integers(0, 255, (60, 60, 3)).astype(np.uint8)) is None, "no even border"
    assert masked(np.full((60, 60, 3), 240, np.uint8)) is None, "nothing there"
    slope = np.repeat(np.linspace(0, 255, 60)[:, None, None], 60, axis=1).repeat(3, axis=2)
    assert masked(slope.astype(np.uint8)) is None, "a shading"
    shreds = np.full((60, 60, 3), 240, np.uint8)
    for _ in range(12):
        row, column = rng.integers(5, 50, 2)
        shreds[row : row + 4, column : column + 4] = 20
    assert masked(shreds) is None, "products are whole"


@pytest.mark.parametrize("background", ["white", "#102030", "#EEEEEE-#336699", "PHOTO"])
@pytest.mark.parametrize("shadow", [True, False])
def test_of_the_product_no_byte_changes(tmp_path: Path, background: str, shadow: bool) -> None:
    """Adversary: a picture in which one pixel of the product differs is told from the made one."""
    scene = tmp_path / "scene.jpg"
    Image.fromarray(np.random.default_rng(3).integers(0, 255, (40, 90, 3)).astype(np.uint8)).save(
        scene
    )
    named = str(scene) if background == "PHOTO" else background
    pixels = noisy()
    items = pl.DataFrame({"item_id": ["a"], "category": [["box"]]})
    images = pl.DataFrame({"item_id": ["a"], "image": [encoded(pixels)]})
    made = SYNTHESIZERS.make("image_background", background=named, shadow=shadow)
    sample = made.fit(Shop({"items": items, "images": images}), RUN).sample(1, RUN)
    data = sample.table("images")["image"][0]
    out = np.asarray(opened(data))
    product = masked(pixels)
    assert product is not None
    assert (out[:60][product] == pixels[product]).all(), "a byte of the product has changed"
    other = out[:60].copy()
    other[np.argwhere(product)[5][0], np.argwhere(product)[5][1], 0] ^= 1
    assert (other[product] != pixels[product]).any()
    far = ~product
    assert (out[:60][far] != pixels[far]).mean() > 0.5, "the background is another"
    assert len(out) > 60, "it says so below"
    assert out[60:].min() < 128
    said = said_of(data)
    assert said["source"] == "compositeSynthetic"
    assert "background was made" in said["Description"]
    assert sample.table("images")["purpose"].to_list() == ["product"]
    assert sample.table("images")["item_id"].to_list() == ["a"]


def test_photos_on_uneven_backgrounds_are_passed_over_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rng = np.random.default_rng(4)
    rug = rng.integers(0, 255, (60, 60, 3)).astype(np.uint8)
    items = pl.DataFrame({"item_id": ["a", "b"], "category": [["box"], ["box"]]})
    images = pl.DataFrame({"item_id": ["a", "b"], "image": [encoded(noisy()), encoded(rug)]})
    shop = Shop({"items": items, "images": images})
    made = SYNTHESIZERS.make("image_background").fit(shop, RUN)
    assert "passes over 1 of 2 photos, whose border is not even" in caplog.text
    assert made.sample(4, RUN).table("images")["item_id"].to_list() == ["a"]
    other = shop.with_tables(
        items=items.with_columns(category=pl.Series([["box"], ["rug"]])), images=images
    )
    made = SYNTHESIZERS.make("image_background").fit(other, RUN)
    with pytest.raises(InputError, match="the class 'rug', which was not learned"):
        made.sample(1, RUN, GivenPictures(("rug",)))
    none = shop.with_tables(images=images.filter(pl.col("item_id") == "b"))
    with pytest.raises(InputError, match=r"the product in none of 1 photos.*plain wall"):
        SYNTHESIZERS.make("image_background").fit(none, RUN)
    with pytest.raises(SettingError, match="'teal' is no colour and no file"):
        SYNTHESIZERS.make("image_background", background="teal")


def test_no_picture_comes_twice(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Three photos of two classes before two backgrounds are six pictures, and no seventh is a sixth again."""
    files = [encoded(noisy(seed=i)) for i in (1, 2, 3)]
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": [["box"], ["box"], ["cup"]]})
    images = pl.DataFrame({"item_id": ["a", "b", "c", "a"], "image": [*files, files[0]]})
    shop = Shop({"items": items, "images": images})
    one = SYNTHESIZERS.make("image_background").fit(shop, RUN)
    two = SYNTHESIZERS.make("image_background", backgrounds=("grey", "white")).fit(shop, RUN)
    assert (one.different(), two.different(), two.different(("cup",))) == (3, 6, 2)
    for made, n, there in ((one, 2, 2), (one, 3, 3), (two, 5, 5), (two, 6, 6), (two, 40, 6)):
        caplog.clear()
        drawn_ = made.sample(n, RUN).table("images")
        assert len(drawn_) == drawn_["image"].n_unique() == there
        assert ("6 different pictures, not 40" in caplog.text) == (n == 40)
    cups = two.sample(9, RUN, GivenPictures(("cup",))).table("images")
    assert cups["item_id"].to_list() == ["c", "c"]
    assert cups["image"].n_unique() == 2
    # Screens that take some are no reason to draw what was drawn before.
    screens = {"image_blank": SCREENS.make("image_blank")}
    found = sample_screened(two, 40, screens, (shop, None), RUN)
    kept = found.kept.table("images")
    assert kept["image"].n_unique() == len(kept) <= 6
    assert "There are 6 different ones" in found.sampling["warning"]
    shop.save(tmp_path / "shop")
    for asked, n, told in ((0, 3, False), (9, 3, True)):
        caplog.clear()
        synth(
            "image_background",
            tmp_path / "shop",
            tmp_path / f"{n}-{asked}",
            pictures=asked,
            quiet=True,
        )
        assert Shop.open(tmp_path / f"{n}-{asked}").rows("images") == n
        assert ("3 different pictures, not 9" in caplog.text) == told


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_alters_a_picture_and_keeps_its_size(name: str) -> None:
    pixels = noisy()
    before = pixels.copy()
    made = OPERATIONS[name](pixels, np.random.default_rng(5))
    assert made.shape == pixels.shape
    assert made.dtype == np.uint8
    assert (pixels == before).all(), "what goes in stays"
    assert (made != pixels).any()
    again = OPERATIONS[name](pixels, np.random.default_rng(5))
    assert (made == again).all()
    if name == "flip":
        assert (made[:, ::-1] == pixels).all()
    if name == "background":
        product = masked(pixels)
        assert (made[product] == pixels[product]).all()
    if name == "rotate":
        assert np.abs(made[30, 30].astype(int) - pixels[30, 30]).max() < 60


def test_the_share_of_a_mixture_is_its_area_or_its_weight() -> None:
    black, white = np.zeros((50, 40, 3), np.uint8), np.full((50, 40, 3), 255, np.uint8)
    for seed in range(20):
        for name, mix in MIXING.items():
            made, share = mix(black, white, np.random.default_rng(seed))
            assert 0 < share <= 0.55, name
            assert made.mean() / 255 == pytest.approx(share, abs=0.004), name


def test_operations_are_off_for_a_class_and_on_for_the_others() -> None:
    """Planted: half of each picture is red, so that a mirrored one shows. `off` may not be ignored, nor be for all."""
    side = np.full((24, 24, 3), 255, np.uint8)
    side[:, :12] = (255, 0, 0)
    kinds = ["left", "free"] * 6
    ids = [f"i{n}" for n in range(12)]
    shop = Shop(
        {
            "items": pl.DataFrame({"item_id": ids, "category": [[k] for k in kinds]}),
            "images": pl.DataFrame({"item_id": ids, "image": [encoded(side)] * 12}),
        }
    )
    made = SYNTHESIZERS.make(
        "image_augment", operations=("flip",), mixed=0, off={"left": ("flip",)}
    ).fit(shop, RUN)
    sample = made.sample(80, RUN)
    shown = labelled(sample).collect()["class"].to_list()
    mirrored = [decode(d, 24)[12, 3, 1] > 128 for d in sample.table("images")["image"].to_list()]
    by_class = {k: [m for m, s in zip(mirrored, shown, strict=True) if s == k] for k in set(shown)}
    assert not any(by_class["left"])
    assert 8 < sum(by_class["free"]) < 32
    for wrong in ({"operations": ("flop",)}, {"off": {"left": ("flop",)}}):
        with pytest.raises(SettingError, match=r"no operation 'flop'. Did you mean 'flip'"):
            SYNTHESIZERS.make("image_augment", **wrong)


def test_mixed_pictures_have_soft_labels() -> None:
    made = SYNTHESIZERS.make("image_augment", mixed=1.0, side=24).fit(pictured(), RUN)
    sample = made.sample(30, RUN)
    labels = labelled(sample).collect()
    assert labels["mixed_class"].null_count() == 0
    weights = soft_labels(labels, list(KINDS))
    assert weights.sum(axis=1) == pytest.approx(1)
    assert ((weights > 0).sum(axis=1) == 2).any(), "some are of two classes"
    plain = SYNTHESIZERS.make("image_augment", mixed=0.0, side=24).fit(pictured(), RUN)
    assert labelled(plain.sample(30, RUN)).collect()["mixed_weight"].to_list() == [0.0] * 30


def test_copies_are_copies_without_strength() -> None:
    made = SYNTHESIZERS.make("image_augment", mixed=0, strength=0, side=24).fit(pictured(), RUN)
    sample = made.sample(24, RUN)
    real = dict(pictured().table("images").select("item_id", "image").rows())
    for item, data in sample.table("images").select("item_id", "image").rows():
        # As near as JPEG lets them.
        assert np.abs(decode(data, 24).astype(int) - decode(real[item], 24)).mean() < 8


@pytest.mark.parametrize("name", ["image_vae", "image_diffusion"])
def test_a_network_learns_what_a_class_looks_like(name: str) -> None:
    """Two classes, dark and light pictures: what is made is as its class; a network that is not told mixes them."""
    pytest.importorskip("diffusers")
    rng = np.random.default_rng(6)
    files = [
        encoded((rng.integers(0, 40, (16, 16, 3)) + 200 * (i % 2)).astype(np.uint8))
        for i in range(16)
    ]
    ids = [f"i{n}" for n in range(16)]
    shop = Shop(
        {
            "items": pl.DataFrame({"item_id": ids, "category": [["dark"], ["light"]] * 8}),
            "images": pl.DataFrame({"item_id": ids, "image": files}),
        }
    )
    small = {
        "image_vae": {"width": 8, "steps": 130},
        "image_diffusion": {"channels": (16,), "denoising": 8, "steps": 60},
    }
    made = SYNTHESIZERS.make(name, side=16, batch_size=8, average=0.9, **small[name])
    made.fit(shop, RUN)
    light = {
        kind: np.mean(
            [
                decode(d, 16).mean()
                for d in made.sample(4, RUN, GivenPictures((kind,))).table("images")["image"]
            ]
        )
        for kind in ("dark", "light")
    }
    assert light["light"] - light["dark"] > 80, light


@pytest.mark.parametrize("name", ["image_vae", "image_gan", "image_diffusion"])
def test_a_stopped_training_goes_on_where_it_was(name: str, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    monkey = pytest.MonkeyPatch()
    monkey.setattr("wareloom.synthesis.images._scratch.CHECK", 3)
    small = {"side": 16, "batch_size": 4}
    small |= {"channels": (8,)} if name == "image_diffusion" else {"width": 8}
    whole = SYNTHESIZERS.make(name, steps=9, **small).fit(pictured(), RUN)
    kept = RUN.with_(cache=tmp_path / "cache")
    first = SYNTHESIZERS.make(name, steps=6, **small).fit(pictured(), kept)
    assert first.taught_["steps"] == 6
    then = SYNTHESIZERS.make(name, steps=9, **small).fit(pictured(), kept)
    monkey.undo()
    assert then.taught_["steps"] == 9
    assert all((then.weights_[k] == v).all() for k, v in whole.weights_.items())
    assert any((first.weights_[k] != v).any() for k, v in whole.weights_.items())


def test_networks_have_the_size_that_is_said() -> None:
    pytest.importorskip("diffusers")
    for side in (32, 64):
        made = SYNTHESIZERS.make("image_diffusion", side=side)
        made.classes_ = [str(n) for n in range(10)]
        net = made._network()
        assert 1e6 < sum(p.numel() for p in net.net.parameters()) < 3e6
    from wareloom.classifiers.cnn import CNN, Network

    assert sum(p.numel() for p in Network(CNN().width, 10, 0).parameters()) < 5e5


def test_each_player_learns_from_its_own_updates_alone() -> None:
    made = SYNTHESIZERS.make("image_gan", side=16, width=8, batch_size=4).fit(pictured(), RUN)
    net = made._network()
    x = torch.rand(4, 3, 16, 16) * 2 - 1
    what = torch.from_numpy(made.told_[:4])
    for step, own, other in ((0, net.critic, net.net), (1, net.net, net.critic)):
        net.zero_grad(set_to_none=True)
        made._losses(net, x, what, step).backward()
        assert all(weight.grad is not None for weight in own.parameters())
        assert all(weight.grad is None for weight in other.parameters())


def test_sixty_four_pixels_come_out_and_minutes_end_a_training() -> None:
    pytest.importorskip("diffusers")
    small = {"channels": (8, 8), "denoising": 2, "batch_size": 4, "minutes": 1e-6}
    made = SYNTHESIZERS.make("image_diffusion", side=64, **small).fit(pictured(), RUN)
    assert made.taught_["steps"] == 1, "the minutes were over after the first step"
    data = made.sample(1, RUN).table("images")["image"][0]
    assert (look(data).width, look(data).height) == (64, 64)
    assert said_of(data)["source"] == "trainedAlgorithmicMedia"


def test_what_is_told_decides_what_is_drawn() -> None:
    """Guidance 1 asks the network once; beyond, the difference that class, colour and shape make is followed."""
    import torch

    pytest.importorskip("diffusers")
    made = SYNTHESIZERS.make("image_diffusion", side=16, channels=(8,), guidance=3.0)
    made.classes_ = ["a", "b"]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = made._network().net.eval()
    noise = np.random.default_rng(1).standard_normal((2, 3, 16, 16), dtype=np.float32)
    x, what = torch.from_numpy(noise), torch.tensor([[0, 1, 1], [1, 2, 1]])
    with torch.inference_mode():
        time = torch.full((2,), 500)
        told, untold = net(x, time, what), net(x, time, net.told.unknown(what))
        further = made._velocity(net, x, 500, what)
        assert torch.allclose(further, untold + 3 * (told - untold), atol=1e-4)
        early = net(x, torch.full((2,), 900), what)
        assert torch.allclose(made._velocity(net, x, 900, what), early, atol=1e-4)
        for column in range(3):
            other = what.clone()
            other[:, column] += 1 - 2 * other[:, column].clamp(max=1)
            assert not torch.allclose(net(x, time, other), told, atol=1e-2), "it is not told"


def test_a_folder_is_refused_without_a_gpu() -> None:
    made = SYNTHESIZERS.make("image_diffusion", folder="sd")
    with pytest.raises(SettingError, match=r"over a minute a picture on a CPU: run on a GPU"):
        made.fit(pictured(), RUN)
    with pytest.raises(SettingError, match="16, 32, 48 or 64"):
        SYNTHESIZERS.make("image_diffusion", side=100)


def test_pictures_for_training_are_no_product_photos(tmp_path: Path) -> None:
    made = SYNTHESIZERS.make("image_augment", side=24).fit(pictured(), RUN).sample(6, RUN)
    with pytest.raises(
        GateError, match=r"6 of 6 pictures were made for training.*image_background"
    ):
        export_pictures(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    # A sample that forgot what it is for is made all the same.
    silent = made.with_tables(images=made.table("images").drop("purpose"))
    with pytest.raises(GateError):
        export_pictures(silent, tmp_path / "out")
    assert export_pictures(made, tmp_path / "training", "training") == 6
    labels = pl.read_csv(tmp_path / "training" / "labels.csv", infer_schema=False)
    assert set(labels["purpose"]) == {"training"}
    photos = SYNTHESIZERS.make("image_background").fit(pictured(), RUN).sample(6, RUN)
    assert export_pictures(photos, tmp_path / "photos") == 6
    assert len(training_pictures(pictured())) == 0
    assert export_pictures(pictured(), tmp_path / "real") == 24
    again = wareloom.read(tmp_path / "real", to=tmp_path / "again", as_="clothing")
    assert again.rows("images") == 24
    assert set(labelled(again).collect()["class"]) == set(KINDS)


def test_what_was_made_stays_made_when_it_is_read_again(tmp_path: Path) -> None:
    """Written out as training data and read anew, a made picture is no photo all the same: its metadata say so.

    Controls: photos, products before another background, and a camera's own "enhanced" photo are.
    """
    made = SYNTHESIZERS.make("image_augment", side=24).fit(pictured(), RUN).sample(6, RUN)
    export_pictures(made, tmp_path / "training", "training")
    (tmp_path / "training" / "labels.csv").unlink()
    by_other = encode(noisy(), "PNG", {"source": "trainedAlgorithmicMedia"})
    (tmp_path / "training" / "ball").mkdir(exist_ok=True)
    (tmp_path / "training" / "ball" / "bought.png").write_bytes(by_other)
    (tmp_path / "training" / "ball" / "photo.png").write_bytes(encoded(noisy()))
    again = wareloom.read(tmp_path / "training", to=tmp_path / "again", as_="clothing")
    assert len(training_pictures(again)) == 7
    assert again.rows("images") == 8
    said = json.loads((tmp_path / "again" / "read.json").read_text())["said"]
    assert any(one.startswith("7 pictures say of themselves that they were made") for one in said)
    with pytest.raises(GateError, match="7 of 8 pictures were made for training by what their"):
        export_pictures(again, tmp_path / "out")
    shown = SYNTHESIZERS.make("image_background").fit(pictured(), RUN).sample(6, RUN)
    export_pictures(shown, tmp_path / "shown")
    phone = encode(noisy(), "JPEG", {"Software": "camera", "source": "algorithmicallyEnhanced"})
    (tmp_path / "shown" / "ball" / "phone.jpg").write_bytes(phone)
    taken = wareloom.read(tmp_path / "shown", to=tmp_path / "taken", as_="clothing")
    assert not len(training_pictures(taken))
    assert "purpose" not in taken.table("images").columns


def test_names_of_files_lead_nowhere(tmp_path: Path) -> None:
    items = pl.DataFrame(
        {"item_id": ["../../up", "a:b", "A:B"], "category": [["../evil"], ["箱"], ["箱"]]}
    )
    images = pl.DataFrame({"item_id": ["../../up", "a:b", "A:B"], "image": [encoded(noisy())] * 3})
    export_pictures(Shop({"items": items, "images": images}), tmp_path / "out")
    files = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png"))
    assert files == ["out/_evil/_.._up.png", "out/箱/A_B-2.png", "out/箱/a_b.png"]


def test_the_gallery_shows_real_made_and_rejected(tmp_path: Path) -> None:
    shop = pictured().save(tmp_path / "real")
    made = SYNTHESIZERS.make("image_augment", side=24).fit(shop, RUN).sample(12, RUN)
    folder = tmp_path / "made"
    made.save(folder)
    rows = made.table("images").head(2).with_columns(reason=pl.lit("blank: one colour"))
    (folder / "rejected").mkdir()
    rows.write_parquet(folder / "rejected" / "images.parquet")
    for language, words in (("en", "Taken out by screens: image_augment"), ("zh", "被筛查剔除")):
        page = gallery_page(shop, [Shop.open(folder)], "shapes", language)
        assert page.count("data:image/jpeg;base64,") == 24 + 12 + 2
        assert words in page
        assert "img-src data:" in page
        assert len(page.encode()) < 1_000_000
    assert "空白：只有一种颜色" in page
    gallery(tmp_path / "real", tmp_path / "page.html", [folder], quiet=True)
    assert "img" in (tmp_path / "page.html").read_text()
    with pytest.raises(InputError, match="no table images"):
        gallery_page(Shop({"items": pl.DataFrame({"item_id": ["a"]})}), [], "x")


def test_json_of_a_synthesizer_is_plain() -> None:
    made = SYNTHESIZERS.make("image_vae", side=16, steps=2, batch_size=4, width=8)
    assert json.loads(json.dumps(made.fit(pictured(), RUN).taught_)) == made.taught_
    assert io.BytesIO(made.sample(1, RUN).table("images")["image"][0]).read(4) == b"\x89PNG"
