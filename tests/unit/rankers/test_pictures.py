"""Pictures: what looks alike is near, what is no picture is passed over, and folders of them are read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import wareloom
from conftest import small_shop
from pictures import encoded, ring_of_pictures, spot
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.rankers.content import picture_vectors as _pictures
from wareloom.rankers.content.image_knn import ImageKNN
from wareloom.rankers.content.picture_vectors import described, opened
from wareloom.shop import Log, Requests, Shop

ITEMS = ("red", "red2", "blue", "blue2", "torn", "none")
PICTURES = {
    "red": spot(0.0, 0.2),
    "red2": spot(0.02, 0.25),
    "blue": spot(0.6, 0.8),
    "blue2": spot(0.62, 0.75),
}


def shop(**pictures: bytes) -> Shop:
    rows = [*(PICTURES | {"torn": b"\xff\xd8\xff no picture"} | pictures).items()]
    events = pl.DataFrame(
        {"user_id": ["u", "u"], "item_id": ["none", "red"], "event": ["purchase"] * 2}
    )
    images = pl.DataFrame(rows, schema=["item_id", "image"], orient="row")
    return Shop({"items": pl.DataFrame({"item_id": ITEMS}), "events": events, "images": images})


def nearest_of(ranker: ImageKNN, item: str) -> list[str]:
    return ranker.rank(Requests.sessions([[item]]), k=5)["item_id"].to_list()


def test_what_looks_alike_is_near_and_what_is_no_picture_comes_last() -> None:
    made = ImageKNN().fit(shop())
    assert nearest_of(made, "red")[0] == "red2"
    assert nearest_of(made, "blue2")[0] == "blue"
    assert not made.table_[[4, 5]].nnz, "a torn picture and none"
    assert not made.table_[:, [4, 5]].nnz
    assert nearest_of(made, "torn")[0] in ("red", "none"), "popularity"


def test_several_pictures_of_an_item_are_one() -> None:
    whole = shop()
    more = pl.DataFrame(
        {"item_id": ["torn", "torn"], "image": [PICTURES["blue"], PICTURES["blue2"]]}
    )
    both = whole.with_tables(
        images=pl.concat([whole.table("images").select("item_id", "image"), more]).sample(
            fraction=1.0, shuffle=True, seed=1
        )
    )
    assert set(nearest_of(ImageKNN().fit(both), "torn")[:2]) == {"blue", "blue2"}


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small_shop().with_tables(images=ring_of_pictures(30))
    one = ImageKNN().fit(whole)
    monkeypatch.setattr(_pictures, "AT_ONCE", 7)
    two = ImageKNN().fit(whole)
    np.testing.assert_allclose(one.table_.toarray(), two.table_.toarray(), atol=1e-6)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_all_kinds_of_pictures_are_read(mode: str) -> None:
    file = io.BytesIO()
    plain = Image.new("RGB", (40, 20), "red")
    if mode == "I;16":
        Image.fromarray(np.full((20, 40), 40_000, dtype=np.uint16)).save(file, "PNG")
    else:
        plain.convert(mode).save(file, "JPEG" if mode == "CMYK" else "PNG")
    found = opened(file.getvalue(), "image_knn")
    assert found.mode == "RGB"
    assert np.isfinite(described(found)).all()


def test_what_is_transparent_is_white_and_what_is_broken_is_none() -> None:
    clear = encoded(np.zeros((8, 8, 4), dtype=np.uint8))
    assert set(opened(clear, "image_knn").get_flattened_data()) == {(255, 255, 255)}
    photo = encoded(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), "JPEG")
    for broken in (b"", b"GIF89a", photo[: len(photo) // 2], b"\x89PNG\r\n\x1a\n" + b"\0" * 40):
        assert opened(broken, "image_knn") is None


def test_a_photo_on_its_side_is_seen_upright_and_one_beyond_the_limit_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slope = np.indices((64, 48))[0] * 3
    exif = Image.Exif()
    exif[0x0112] = 6
    file, plain = io.BytesIO(), io.BytesIO()
    scene = Image.fromarray(np.stack([slope, 90 + 0 * slope, 0 * slope], axis=2).astype(np.uint8))
    # Without subsampling, which is no longer the same on its side.
    scene.save(file, "JPEG", exif=exif.tobytes(), quality=95, subsampling=0)
    scene.rotate(-90, expand=True).save(plain, "JPEG", quality=95, subsampling=0)
    lying, upright = (opened(one.getvalue(), "image_knn") for one in (file, plain))
    assert lying.size == upright.size == (64, 48)
    near = np.linalg.norm(described(lying) - described(upright))
    assert near < 0.25 * np.linalg.norm(described(scene) - described(upright))
    monkeypatch.setattr("wareloom.shop.pictures.LARGEST_PICTURE", 3000)
    assert opened(plain.getvalue(), "image_knn") is None


def test_what_a_picture_cannot_be_learned_from() -> None:
    with pytest.raises(InputError, match="learns from pictures of the items"):
        ImageKNN().fit(small_shop())
    with pytest.raises(InputError, match="learns from pictures of the items"):
        ImageKNN().fit(Log.of(small_shop()))
    bad = pl.DataFrame({"item_id": ["red", "stranger"], "image": [b"no", PICTURES["red"]]})
    with pytest.raises(
        InputError, match="of 2 in the table images 1 are none, and the others are of unknown items"
    ):
        ImageKNN().fit(shop().with_tables(images=bad))
    for name, value in (("neighbours", 0), ("decay", 0.0), ("last", -1)):
        with pytest.raises(SettingError, match=f"image_knn: {name}"):
            RANKERS.make("image_knn", **{name: value})


def test_a_vision_model_in_a_folder_looks(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    how = {
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    model = transformers.ViTModel(transformers.ViTConfig(**how, image_size=32, patch_size=8))
    model.save_pretrained(tmp_path)
    reader = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "do_resize": True,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(reader))
    made = ImageKNN(model=str(tmp_path)).fit(shop())
    assert nearest_of(made, "red")[0] == "red2"
    with pytest.raises(SourceError, match="holds no vision model in Hugging Face's layout"):
        ImageKNN(model=str(tmp_path / "no such")).fit(shop())


def test_pictures_lead_shoppers_to_items_that_nobody_had() -> None:
    """Half of the items have no event, and no text: only their pictures say what they are like."""
    real = small_shop(users=150)
    old = real.table("items").select("item_id")
    twins = old.with_columns(item_id=pl.format("new-{}", "item_id"))
    seen = ring_of_pictures(30)
    images = pl.concat([seen, seen.with_columns(item_id=pl.format("new-{}", "item_id"))])
    both = real.with_tables(items=pl.concat([old, twins]), images=images)
    share = {}
    for members in (("transitions", "item_knn"), ("transitions", "item_knn", "image_knn")):
        settings = {"members": members, "weights": dict.fromkeys(members, 1.0), "uniform": 0.0}
        made = SYNTHESIZERS.make("teacher", **settings).fit(both, Run(seed=1))
        items = made.sample(500, Run(seed=2)).table("events")["item_id"]
        share[len(members)] = items.str.starts_with("new-").mean()
    assert share[2] < 0.02
    assert share[3] > 0.05
    assert "images" in made.draws_on()


def folder_of(root: Path) -> Path:
    (root / "photos" / "p2").mkdir(parents=True)
    (root / "items.csv").write_text("product_id,name\np1,Red shoe\np2,Blue shoe\np3,Hat\n")
    (root / "orders.csv").write_text(
        "user_id,product_id,time\nu1,p1,2024-01-01\nu1,p2,2024-01-02\nu2,p3,2024-01-03\n"
    )
    (root / "photos" / "p1.png").write_bytes(PICTURES["red"])
    (root / "photos" / "p2" / "front.PNG").write_bytes(PICTURES["blue"])
    (root / "photos" / "p2" / "back.png").write_bytes(PICTURES["blue2"])
    (root / "photos" / "Thumbs.db").write_text("no picture")
    return root


def test_a_folder_of_pictures_is_read_beside_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wareloom.readers._pictures.AT_ONCE", 300)
    source = folder_of(tmp_path / "export")
    made = wareloom.read(source, to=tmp_path / "shop", settings={"images": str(source / "photos")})
    rows = made.table("images").select("item_id", "image").rows()
    assert rows == [("p1", PICTURES["red"]), ("p2", PICTURES["blue2"]), ("p2", PICTURES["blue"])]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert list(told["not_recognised"]) == ["Thumbs.db"]
    assert ImageKNN().fit(made).table_[0, 1] == 0, "red is not like blue"


def test_folders_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "export")
    with pytest.raises(SourceError, match="none is no folder and no archive"):
        wareloom.read(source, to=tmp_path / "a", settings={"images": str(tmp_path / "none")})
    (source / "photos" / "p9.png").write_bytes(PICTURES["red"])
    made = wareloom.read(source, to=tmp_path / "b", settings={"images": str(source / "photos")})
    assert made.rows("images") == 3
    assert pl.read_parquet(tmp_path / "b" / "rejected" / "images.parquet")["item_id"].to_list() == [
        "p9"
    ]
