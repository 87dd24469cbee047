"""Photos from folders and archives: what is read, and what each bad file is said to be."""

from __future__ import annotations

import base64
import importlib.util
import io
import json
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, features

import wareloom
from pictures import encoded, spot
from wareloom.errors import SchemaError, SourceError
from wareloom.readers import find
from wareloom.readers.clothing import Clothing
from wareloom.shop import Shop
from wareloom.shop.pictures import (
    PictureError,
    batches,
    decode,
    encode,
    fault,
    labelled,
    look,
    opened,
    said_of,
    soft_labels,
    squared,
)

RED, BLUE = spot(0.0, 0.5), spot(0.6, 0.5)


def saved(picture: Image.Image, kind: str, **how: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def bomb(width: int = 20_000, height: int = 20_000) -> bytes:
    """A PNG of so many black pixels in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


SCENE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 48, 3)).astype(np.uint8))
WHOLE = saved(SCENE, "JPEG")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
BAD = {
    "short.jpg": (WHOLE[: len(WHOLE) // 2], r"short\.jpg is cut short .*: fetch it, or save it, again"),
    "dot.png": (
        encoded(np.zeros((1, 1, 3), np.uint8)),
        r"dot\.png has 1 × 1 pixels and shows nothing: give one of at least 8",
    ),
    "bomb.png": (
        bomb(),
        r"bomb\.png.* would fill the memory \(limit 50,000,000 pixels\): save it smaller",
    ),
    "large.png": (bomb(9_000, 9_000), r"large\.png of 9,000 × 9,000 pixels would fill the memory"),
    "drawing.svg": (SVG, r"drawing\.svg is a drawing in SVG.*: export it as PNG"),
    "phone.heic": (HEIC, r"phone\.heic is in HEIC.*pip install 'wareloom\[heic\]', or save it as JPEG"),
    "letter.jpg": (b"Dear all,\n", r"letter\.jpg is a text, no picture: replace it"),
    "refused.jpg": (b"<!DOCTYPE html><html>403</html>", r"refused\.jpg is a web page, no picture"),
    "empty.png": (b"", r"empty\.png is empty: fetch it again"),
    "other.jpg": (b"\x00\x01\x02" * 99, r"other\.jpg is no picture that can be read: save it as one of JPEG"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_said_in_one_sentence_with_a_remedy(name: str) -> None:
    data, said = BAD[name]
    with pytest.MonkeyPatch.context() as patch:
        # Whether or not the extra is here: without it the sentence names it.
        for library in ("pi_heif", "pillow_heif"):
            patch.setitem(sys.modules, library, None)
        told = fault(data, name)
    assert pl.Series([told]).str.contains(said).item(), told
    assert told.endswith(".")
    assert "\n" not in told


PHONE = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9j"
    "AAAAAERAAAEAAQAAAAABoQABAAAAAAAAACgAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/Wlw"
    "cnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AA"
    "AAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAA"
    "QAAAAEAAAAAoY2xhcAAAADAAAAABAAAAIAAAAAH////wAAAAAv///+AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWB"
    "AgMFhAAAADBtZGF0AAAAJCgBr1j5Et3/0Yv/XpIZ9ac776DxbvU+5+haeO5NBupe0yC5iw=="
)
"""48 × 32 pixels in HEIC: the left half red, the right one blue"""


def test_a_phones_photo_is_refused_with_the_extras_name_or_read(tmp_path: Path) -> None:
    """Adversary: the same bytes read by nobody; a reader that shows another picture, or lies on its side."""
    (tmp_path / "photos" / "cup").mkdir(parents=True)
    (tmp_path / "photos" / "cup" / "IMG_1.HEIC").write_bytes(PHONE)
    (tmp_path / "photos" / "cup" / "a.png").write_bytes(RED)
    with pytest.MonkeyPatch.context() as patch:
        for library in ("pi_heif", "pillow_heif"):
            patch.setitem(sys.modules, library, None)
        shop = wareloom.read(tmp_path / "photos", to=tmp_path / "without", as_="clothing")
        assert shop.rows("images") == 1
        aside = pl.read_parquet(tmp_path / "without" / "rejected" / "images.parquet")["reason"]
        assert "pip install 'wareloom[heic]', or save it as JPEG" in aside[0]
    if not any(importlib.util.find_spec(one) for one in ("pi_heif", "pillow_heif")):
        pytest.skip(
            "neither pi-heif nor pillow-heif is installed: a HEIC is refused, and none decoded"
        )
    shop = wareloom.read(tmp_path / "photos", to=tmp_path / "with", as_="clothing")
    assert shop.rows("images") == 2
    pixels = np.asarray(opened(PHONE)).astype(int)
    assert pixels.shape == (32, 48, 3)
    assert (pixels[:, 2:22, 0] > pixels[:, 2:22, 2] + 100).all(), "the left half is red"
    assert (pixels[:, 26:46, 2] > pixels[:, 26:46, 0] + 100).all(), "the right half is blue"
    assert look(PHONE).format == "HEIF"


def test_the_limit_stands_before_the_decoder() -> None:
    tracemalloc.start()
    for _ in range(3):
        with pytest.raises(PictureError, match="would fill the memory"):
            decode(bomb(), 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20, "400 million pixels were decoded"
    with pytest.raises(PictureError, match="larger than 64 MiB"):
        decode(b"\xff" * ((64 << 20) + 1), 32)


def test_odd_forms_are_read_as_what_they_show() -> None:
    cmyk = decode(saved(SCENE.convert("CMYK"), "JPEG", quality=95), 48)
    assert np.abs(cmyk.astype(int) - squared(SCENE, 48)).mean() < 12
    deep = Image.fromarray((np.linspace(0, 65535, 1600).reshape(40, 40)).astype(np.uint16))
    light = decode(saved(deep, "PNG"), 40)
    assert light[0, 0, 0] < 5
    assert light[-1, -1, 0] > 250
    assert 100 < light[20, 20, 0] < 155, "not cut off at 255"
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert (decode(saved(clear, "PNG"), 16) == 255).all(), "what is clear is white"
    palette = Image.new("P", (20, 20), 0)
    assert (decode(saved(palette, "GIF", transparency=0), 16) == 255).all()
    for kind, where in (("GIF", {}), ("WEBP", {"lossless": True})):
        frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
        file = saved(frames[0], kind, save_all=True, append_images=frames[1:], **where)
        assert look(file).frames == 2
        assert decode(file, 16)[8, 8].argmax() == 0, "the first frame counts"
    exif = Image.Exif()
    exif[0x0112] = 6
    slope = np.stack([row := np.indices((64, 48))[0] * 3, row, row], axis=2).astype(np.uint8)
    turned = opened(saved(Image.fromarray(slope), "JPEG", exif=exif.tobytes(), quality=95))
    assert turned.size == (64, 48), "a photo that lay on its side stands up"
    assert np.abs(np.asarray(turned).astype(int) - np.rot90(slope, -1)).mean() < 3
    assert look(saved(SCENE.convert("L"), "PNG")).mode == "L"
    assert decode(saved(SCENE.convert("L"), "PNG"), 16).shape == (16, 16, 3)


def test_a_square_by_three_ways() -> None:
    wide = Image.new("RGB", (40, 20), "white")
    wide.paste((255, 0, 0), (15, 5, 25, 15))
    stretched, padded, cut = (squared(wide, 20, fit) for fit in ("stretch", "pad", "crop"))
    assert stretched.shape == padded.shape == cut.shape == (20, 20, 3)
    red = [int((one[:, :, 1] < 128).sum()) for one in (stretched, padded, cut)]
    assert red[2] > red[0] > red[1]
    assert (padded[0] == 255).all()


def test_what_a_made_picture_says_is_read_again() -> None:
    pixels = np.asarray(SCENE)
    said = {"Software": "wareloom x@1", "Description": "Made.", "source": "compositeSynthetic"}
    for kind in ("PNG", "JPEG"):
        data = encode(pixels, kind, said)
        assert said_of(data) == said
    assert (decode(encode(pixels, "PNG"), 48) == squared(SCENE, 48)).all()


def folder_of(root: Path) -> Path:
    for name in ("train/hat/a.png", "train/hat/b.png", "test/shirt/c.png", "test/一/连衣裙.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(RED)
    (root / "train" / "hat" / "فستان.png").write_bytes(BLUE)
    return root


def test_folders_of_classes_are_read(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "photos")
    assert find(str(source)) is Clothing
    shop = wareloom.read(source, to=tmp_path / "shop")
    rows = labelled(shop).select("item_id", "class", "split").collect().sort("item_id").rows()
    assert rows == [
        ("test/shirt/c", "shirt", "test"),
        ("test/一/连衣裙", "一", "test"),
        ("train/hat/a", "hat", "train"),
        ("train/hat/b", "hat", "train"),
        ("train/hat/فستان", "hat", "train"),
    ]
    told = json.loads((tmp_path / "shop" / "read.json").read_text())
    assert any("Classes of one photo: shirt, 一" in one for one in told["said"])
    part = wareloom.read(source, to=tmp_path / "part", settings={"split": "train"})
    assert part.rows("images") == part.rows("items") == 3
    assert json.loads((tmp_path / "part" / "read.json").read_text())["skipped"] == {
        "pictures of another part": 2
    }


def test_labels_say_more_than_folders(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    (source / "hat").mkdir(parents=True)
    for name in ("a", "b", "c", "d"):
        (source / "hat" / f"{name}.png").write_bytes(RED)
    (source / "labels.csv").write_text(
        "image,split,label,colour\na,train,hat,red\nb,test,shirt,\nb,test,hat,\ngone,train,hat,red\nc.png,val,hat,blue\n"
    )
    shop = wareloom.read(source, to=tmp_path / "shop")
    rows = labelled(shop).select("item_id", "class", "split").collect().rows()
    assert rows == [
        ("a", "hat", "train"),
        ("b", "shirt", "test"),
        ("c", "hat", "validation"),
        ("hat/d", "hat", None),
    ]
    attributes = dict(shop.table("items").select("item_id", "attributes").rows())
    assert {"name": "colour", "value": "red"} in attributes["a"]
    gone = pl.read_parquet(tmp_path / "shop" / "rejected" / "images.parquet")["reason"].to_list()
    assert gone == [
        "labels.csv, row 4: b is named again, as hat (row 3: shirt); keep one row.",
        "labels.csv, row 5: there is no picture gone; add its file, or take the row out.",
    ]
    said = json.loads((tmp_path / "shop" / "read.json").read_text())["said"]
    assert any("1 pictures lie in the folder of another class" in one for one in said)
    assert any("1 pictures are not in labels.csv" in one for one in said)
    for asked, ids in (("val", ["c", "hat/d"]), ("TRAIN", ["a", "hat/d"])):
        own = wareloom.read(source, to=tmp_path / asked, settings={"split": asked})
        assert sorted(own.table("images")["item_id"]) == ids
    (source / "hat" / "d.png").unlink()
    with pytest.raises(SourceError, match=r"no picture of the part 'tset'\. Did you mean 'test'"):
        wareloom.read(source, to=tmp_path / "tset", settings={"split": "tset"})
    (source / "labels.csv").write_text("what,label\na,hat\n")
    with pytest.raises(SourceError, match="no column for the image; it has what, label"):
        wareloom.read(source, to=tmp_path / "other")


@pytest.mark.parametrize(
    "written",
    [
        "Filename;Category;Set\nA;hat;train\nb.WEBP;shirt;test\n",
        "\ufefffile_name,kind,split\nA,hat,train\nb,shirt,test\n",
        "Path\tLabel\tPart\nA.JPG\that\ttrain\nb.webp\tshirt\ttest\n",
        "文件名,类别,集合\nA,hat,train\nb,shirt,test\n",
        "图片；文件;标签\n",
        "Bild;Klasse\nA;hat\n",
    ],
)
def test_labels_of_other_shops(tmp_path: Path, written: str) -> None:
    """Semicolons, tabs, a mark of order, other names and capitals are read; what is not known is told."""
    source = tmp_path / "photos"
    (source / "2024" / "spring").mkdir(parents=True)
    (source / "2024" / "spring" / "A.JPG").write_bytes(saved(SCENE, "JPEG"))
    (source / "2024" / "b.WEBP").write_bytes(saved(SCENE, "WEBP"))
    (source / "labels.csv").write_text(written, encoding="utf-8")
    if written.startswith(("图片；", "Bild")):
        with pytest.raises(SourceError, match=r"labels\.csv has no column for the image; it has"):
            wareloom.read(source, to=tmp_path / "shop", as_="clothing")
        return
    shop = wareloom.read(source, to=tmp_path / "shop", as_="clothing")
    rows = labelled(shop).select("item_id", "class", "split").collect().sort("item_id").rows()
    assert rows == [("A", "hat", "train"), ("b", "shirt", "test")]


def test_labels_in_another_encoding_are_no_other_classes(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    (source / "a.png").write_bytes(RED)
    (source / "labels.csv").write_bytes(
        "image,label\na,连衣裙\nb,女士运动鞋和休闲鞋\n".encode("gb18030")
    )
    with pytest.raises(
        SourceError, match=r"labels\.csv is not UTF-8\..*would read.*encoding=.*gb18030"
    ):
        wareloom.read(source, to=tmp_path / "shop", as_="clothing")
    shop = wareloom.read(
        source, to=tmp_path / "shop", as_="clothing", settings={"encoding": "gb18030"}
    )
    assert labelled(shop).collect()["class"].to_list() == ["连衣裙"]


def test_folders_within_folders_keep_what_they_say(tmp_path: Path) -> None:
    """Two classes of one name below different ones are one class, and that is said; AVIF is read as WebP is."""
    source = tmp_path / "photos"
    for folder in ("men/shirts", "women/shirts", "women/Hats"):
        (source / folder).mkdir(parents=True)
        (source / folder / "1.PNG").write_bytes(RED)
    if features.check("avif"):
        (source / "women" / "Hats" / "2.avif").write_bytes(saved(SCENE, "AVIF"))
    shop = wareloom.read(source, to=tmp_path / "shop", as_="clothing")
    items = dict(shop.table("items").select("item_id", "category").rows())
    assert items["men/shirts/1"] == ["men", "shirts"]
    assert items["women/shirts/1"] == ["women", "shirts"]
    assert shop.rows("images") == 3 + features.check("avif")
    said = json.loads((tmp_path / "shop" / "read.json").read_text())["said"]
    assert any("shirts (men/shirts, women/shirts)" in one for one in said)


def test_bad_files_are_set_aside_and_the_rest_is_read(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "photos")
    (source / "train" / "bad").mkdir()
    for name, (data, _) in BAD.items():
        (source / "train" / "bad" / name).write_bytes(data)
    (tmp_path / "secret.png").write_bytes(RED)
    (source / "train" / "hat" / "out.png").symlink_to(tmp_path / "secret.png")
    (source / "train" / "hat" / "lost.png").symlink_to(tmp_path / "nothing.png")
    (source / "train" / "hat" / "in.png").symlink_to(source / "train" / "hat" / "a.png")
    (source / "train" / "round").symlink_to(source)
    (source / "train" / "hat" / "a.jpg").write_bytes(saved(SCENE, "JPEG"))
    shop = wareloom.read(source, to=tmp_path / "shop")
    aside = pl.read_parquet(tmp_path / "shop" / "rejected" / "images.parquet")
    reasons = dict(aside.select("source_file", "reason").rows())
    assert len(aside) == len(BAD) + 3
    assert aside["image"].null_count() == len(aside), "no bad bytes are carried on"
    for name, (_, said) in BAD.items():
        if name != "phone.heic":
            assert pl.Series([reasons[f"train/bad/{name}"]]).str.contains(said).item()
    assert "is a link out of the folder" in reasons["train/hat/out.png"]
    assert "is a link to nothing: copy the picture there" in reasons["train/hat/lost.png"]
    assert reasons["train/hat/a.png"].endswith(
        "has the name of another picture: rename one of them."
    )
    assert shop.rows("images") == 6
    assert set(labelled(shop).collect()["class"]) == {"hat", "shirt", "一"}
    with pytest.raises(SchemaError, match="Nothing is left of the table 'images'"):
        wareloom.read(source / "train" / "bad", to=tmp_path / "none", as_="clothing")


def test_archives_are_read_from_end_to_end_and_never_unpacked(tmp_path: Path) -> None:
    packed, zipped = tmp_path / "photos.tar.gz", tmp_path / "photos.zip"
    members = {
        "./hat/a.png": RED,
        "./shirt/b.png": BLUE,
        "../../evil.png": RED,
        "/etc/evil.png": RED,
        "C:\\evil.png": RED,
        "hat/.hidden.png": RED,
        "hat/notes.txt": b"no picture",
    }
    with tarfile.open(packed, "w:gz") as archive:
        for name, data in members.items():
            one = tarfile.TarInfo(name)
            one.size = len(data)
            archive.addfile(one, io.BytesIO(data))
        link = tarfile.TarInfo("hat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        labels = tarfile.TarInfo("labels.csv")
        said = b"image,label\na,cap\n"
        labels.size = len(said)
        archive.addfile(labels, io.BytesIO(said))
    with zipfile.ZipFile(zipped, "w") as archive_of:
        for name, data in members.items():
            archive_of.writestr(name, data)
        info = zipfile.ZipInfo("hat/link.png")
        info.external_attr = 0o120777 << 16
        archive_of.writestr(info, "/etc/passwd")
    for source, first in ((packed, "cap"), (zipped, "hat")):
        to = tmp_path / f"shop-{source.suffix[1:]}"
        assert find(str(source)) is Clothing
        shop = wareloom.read(source, to=to)
        assert labelled(shop).collect()["class"].to_list() == [first, "shirt"]
        reasons = pl.read_parquet(to / "rejected" / "images.parquet")["reason"].to_list()
        assert len(reasons) == 4
        assert sum("leads out of the archive: pack it anew" in one for one in reasons) == 3
        assert sum("is a link" in one for one in reasons) == 1
    assert not list(tmp_path.rglob("*evil*"))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(packed.read_bytes()[:200])
    with pytest.raises(SourceError, match="truncated or damaged"):
        wareloom.read(cut, to=tmp_path / "cut", as_="clothing")


PEAK = """
import resource, sys
import wareloom
import wareloom.readers._pictures as read
from wareloom.core.run import Run
read.fault = lambda data, name: ""
shop = wareloom.read(sys.argv[1], to=sys.argv[2], as_="clothing", run=Run(threads=1))
print(shop.rows("images"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
"""
"""Reads an archive whose files are not looked at, and says how many MiB the process held at most."""


def test_many_files_are_streamed(tmp_path: Path) -> None:
    """640 MB of pictures in 8,000 files are read with memory for a part: what a million take is their names."""
    held = {}
    for number in (80, 8_000):
        source = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for i in range(number):
                archive.writestr(f"hat/{i:06d}.png", bytes(80_000))
        told = subprocess.run(
            [sys.executable, "-c", PEAK, source, tmp_path / f"shop{number}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert int(told[0]) == number
        held[number] = int(told[1])
    assert held[8_000] - held[80] < 250, f"{held} MiB for 640 MB"


def test_soft_labels_share_a_picture_between_its_classes() -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "category": [["x"], ["y"], None]})
    images = pl.DataFrame(
        {
            "item_id": ["a", "a", "c", "b"],
            "image": [RED, RED, RED, b"nothing"],
            "mixed_item_id": [None, "b", None, None],
            "mixed_weight": [None, 0.25, None, None],
        }
    )
    shop = Shop({"items": items, "images": images})
    labels = labelled(shop).collect()
    assert soft_labels(labels, ["x", "y"]).tolist() == [[1, 0], [0.75, 0.25], [0, 0], [0, 1]]
    assert [places.tolist() for places, _ in batches(shop, 8, size=2)] == [[0, 1], [2]]
    with pytest.raises(SchemaError, match="purpose is none of product, training"):
        Shop({"items": items, "images": images.with_columns(purpose=pl.lit("sale"))})
