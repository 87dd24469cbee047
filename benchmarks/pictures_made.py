"""How fast pictures are made and altered, and what the screens of pictures find of what was planted?

    python benchmarks/pictures_made.py [--steps 20] [--only speed screens] [--json FILE]

Photos of clothing_images at 96 pixels, one thread, processor seconds. Beside our altering stands kornia's on pictures
that are decoded already. Screens learn from the part train; what they let pass is the part validation, what they have
to find is planted in it: copies of training photos, mirrored copies, photos said to be of another class, blanks, blurs.
Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write
from wareloom.core.family import SCREENS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.shop.pictures import batches, decode, encode, labelled, opened

SIDE = 96
DRAWN = 600
MORE = 3
"""Times the steps of a short training that a longer one takes beyond it"""
PLANTED = 60
SCREENED = ("image_blank", "image_class", "image_copies")


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of some work, and what it returns."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def altered_by_kornia(pixels: np.ndarray) -> float:
    """Photos a second of kornia's augmentations of the same kind, on decoded pictures in batches of 32."""
    import kornia.augmentation as K
    import torch

    torch.set_num_threads(1)
    steps = K.AugmentationSequential(
        K.RandomResizedCrop((SIDE, SIDE), scale=(0.5, 1.0), p=0.7),
        K.RandomHorizontalFlip(p=0.5),
        K.RandomRotation(15.0, p=0.5),
        K.ColorJitter(0.3, 0.3, 0.3, 0.1, p=0.7),
        K.RandomGaussianBlur((3, 3), (0.1, 1.0), p=0.15),
        K.RandomGaussianNoise(std=0.03, p=0.3),
        K.RandomErasing(scale=(0.03, 0.2), p=0.3),
        data_keys=["input"],
    )
    given = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    took, _ = seconds(lambda: [steps(given[i : i + 32]) for i in range(0, len(given), 32)])
    return len(given) / took


def made(train: Shop, run: Run, steps: int) -> list[dict[str, Any]]:
    """What each synthesizer takes: photos a second, and seconds of a training step."""
    rows = []
    took, pixels = seconds(lambda: np.concatenate([part for _, part in batches(train, SIDE)]))
    rows.append({"job": "decode", "photos_s": len(pixels) / took, "bar": None})
    for name, bar in (("image_augment", 400.0), ("image_background", None)):
        fitted = SYNTHESIZERS.make(name).fit(train, run)
        took, _ = seconds(lambda fitted=fitted: fitted.sample(DRAWN, run))
        rows.append({"job": name, "photos_s": DRAWN / took, "bar": bar})
    peer = altered_by_kornia(pixels[:DRAWN])
    rows.append({"job": "kornia, decoded pictures", "photos_s": peer, "bar": None})
    for name in ("image_vae", "image_gan", "image_diffusion"):
        first, few, many = (
            SYNTHESIZERS.make(name, steps=number, pictures=512)
            for number in (1, steps, (1 + MORE) * steps)
        )
        first.fit(train, run)
        # Decoding 512 pictures takes longer than a quick step: what more steps take beyond fewer is theirs alone.
        took, _ = seconds(lambda few=few: few.fit(train, run))
        longer, _ = seconds(lambda many=many: many.fit(train, run))
        drawn, _ = seconds(lambda many=many: many.sample(64, run))
        size = sum(value.size for value in many.weights_.values())
        row = {"job": name, "parameters": size, "step_s": (longer - took) / (MORE * steps)}
        row |= {"photos_s": 64 / drawn, "bar": 2.5 if name == "image_diffusion" else None}
        rows.append(row)
        if name == "image_diffusion":
            many.denoising = 10
            drawn, _ = seconds(lambda many=many: many.sample(64, run))
            rows.append({"job": f"{name}, 10 steps", "photos_s": 64 / drawn, "bar": 12.0})
    return rows


def planted(train: Shop, held: Shop, run: Run) -> dict[str, Shop]:
    """Samples that each hold one fault, in pictures that are otherwise the held-out ones."""
    rng = run.rng("planted")
    names = sorted(labelled(held).collect()["class"].unique().to_list())
    real, copied = (one.table("images").sample(PLANTED, seed=1) for one in (held, train))
    class_of = {
        one: dict(labelled(shop).select("item_id", "class").collect().rows())
        for one, shop in (("held", held), ("train", train))
    }
    own = [class_of["held"][i] for i in real["item_id"]]
    theirs = [class_of["train"][i] for i in copied["item_id"]]
    others = [names[(names.index(k) + int(rng.integers(1, len(names)))) % len(names)] for k in own]
    files, copies = real["image"].to_list(), copied["image"].to_list()
    shown = [np.asarray(opened(one)) for one in copies]
    again = [encode(one, "JPEG") for one in shown]
    mirrored = [encode(one[:, ::-1], "JPEG") for one in shown]
    small = [encode(shorter(one, 32)) for one in copies]
    blank = [encode(np.full((32, 32, 3), rng.integers(0, 256), np.uint8)) for _ in files]
    blurred = [encode(blur(decode(one, SIDE))) for one in files]
    return {
        "copies of training photos": sample(again, theirs),
        "mirrored copies": sample(mirrored, theirs),
        "copies at 32 pixels": sample(small, theirs),
        "said to be another class": sample(files, others),
        "blank": sample(blank, own),
        "blurred": sample(blurred, own),
        "nothing wrong": sample(files, own),
    }


def shorter(data: bytes, side: int) -> np.ndarray:
    """A picture whose shorter side has so many pixels, as networks make them."""
    picture = opened(data)
    scale = side / min(picture.size)
    return np.asarray(
        picture.resize((round(picture.width * scale), round(picture.height * scale)), 2)
    )


def blur(pixels: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(pixels, (8, 8, 0))


def sample(files: list[bytes], kinds: list[str]) -> Shop:
    """A shop of made pictures, each of an item of its own."""
    ids = [f"made/{i}" for i in range(len(files))]
    items = pl.DataFrame({"item_id": ids, "category": [[kind] for kind in kinds]})
    images = pl.DataFrame({"item_id": ids, "image_id": ids, "image": files})
    said = pl.lit("planted@1").alias("origin")
    return Shop({"items": items.with_columns(said), "images": images.with_columns(said)})


def screened(train: Shop, held: Shop, run: Run) -> list[dict[str, Any]]:
    """What each screen takes of each planted sample, and lets pass of the held-out photos."""
    faults, rows = planted(train, held, run), []
    for name in SCREENED:
        screen = SCREENS.make(name)
        judge = screen._judge(train, run)
        row: dict[str, Any] = {"screen": name, "photos": held.rows("images")}
        row["real_passed"] = float(np.mean([one is None for one in judge(held)]))
        for fault, shop in faults.items():
            row[fault] = float(np.mean([one is not None for one in judge(shop)]))
        rows.append(row)
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--steps", type=int, default=12, help="updates by which a step is measured")
    parser.add_argument(
        "--only",
        nargs="*",
        default=["speed", "screens"],
        choices=["speed", "screens"],
        help="what is measured; the rest stays as the file has it",
    )
    chosen = parser.parse_args()
    run = Run(seed=1, threads=1)
    source = data("clothing_images") / "images.tar.gz"
    with tempfile.TemporaryDirectory() as folder:
        train, held = (
            read(source, to=Path(folder) / part, as_="clothing", settings={"split": part}, run=run)
            for part in ("train", "validation")
        )
        kept = chosen.json
        told = json.loads(kept.read_text()) if kept is not None and kept.exists() else {}
        jobs = {
            "speed": lambda: made(train, run, chosen.steps),
            "screens": lambda: screened(train, held, run),
        }
        for name in chosen.only:
            told[name] = jobs[name]()
            for row in told[name]:
                print(row, flush=True)
    rows = {name: told[name] for name in jobs if name in told}
    write(chosen.json, "pictures_made", machine(chosen.note), **rows)


if __name__ == "__main__":
    main()
