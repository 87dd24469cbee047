"""How good are pictures from scratch, after as many minutes of one thread?

    python benchmarks/pictures_scratch.py [--minutes 8] [--pictures 200] [--only NAME ...] [--json FILE] [--sheet PNG]

`image_vae`, `image_gan` and `image_diffusion` learn the 3,068 training photos of clothing_images at 32 pixels, each for
as much processor time of one thread: the seconds of a step are measured first, and so many steps are taken as fit. Each
makes some pictures, in the classes' own shares. They are measured beside as many validation photos as the floor, in
what EfficientNet-Lite0 sees, all real photos brought to 32 pixels; beside them stand the training photos themselves,
given as made (a memoriser), and the test photos, which are real (what no generator need beat). And attacks try to tell
the training photos from validation photos by what was made, and by the same with training photos in place of half,
which has to be caught. Settings are the defaults: nothing was chosen by these figures. `--sheet` draws, for each
network, four pictures of each class. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from _common import arguments, data, machine, write
from wareloom.attacks import run_attacks
from wareloom.core.family import METRICS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.compare import picture_measures
from wareloom.metrics.likeness.pictures.samples import gathered_pictures
from wareloom.preparing.picture_sizes import reduced
from wareloom.preparing.splits import SplitSettings
from wareloom.preparing.splits_pictures import split_pictures
from wareloom.readers import read
from wareloom.shop import Shop
from wareloom.shop.pictures import decode
from wareloom.synthesis import GivenPictures

NETWORKS = ("image_vae", "image_gan", "image_diffusion")
SIDE, TRIED = 32, 30
"""Pixels that networks make, and steps by which a step is timed"""
SHOWN = 4
"""Pictures of a class on the sheet"""
PLANTED = 0.5
"""Share of the pictures in whose place training photos stand, for attacks to find"""


def fitted(name: str, minutes: float, train: Shop, run: Run) -> tuple[Any, dict[str, Any]]:
    """A network after as many steps as take so much processor time, and what it took."""
    took = []
    # The first fit, which loads what it needs, is not counted.
    for steps in (1, TRIED // 3, TRIED):
        start = time.process_time()
        SYNTHESIZERS.make(name, steps=steps, pictures=512).fit(train, run)
        took.append(time.process_time() - start)
    step = (took[2] - took[1]) / (TRIED - TRIED // 3)
    if not 0 < step <= took[2]:
        raise SystemExit(f"{name}: a step cannot be timed, {took} s; take more steps than {TRIED}.")
    steps = round(60 * minutes / step)
    start = time.process_time()
    made = SYNTHESIZERS.make(name, steps=steps).fit(train, run)
    return made, {"steps": steps, "cpu_s": time.process_time() - start}


def given_as_made(shop: Shop, name: str) -> Shop:
    """Real photos at the networks' size, said to be made."""
    images = shop.table("images").with_columns(origin=pl.lit(name))
    return reduced(shop.with_tables(images=images), SIDE)


def measured(made: Shop, train: Shop, held: Shop, run: Run) -> list[dict[str, Any]]:
    """Every measure of pictures."""
    trio, rows = gathered_pictures(train, made, held, run), []
    for measure in picture_measures():
        figures = METRICS.make(measure).compare(trio, run)
        assert not isinstance(figures, str), figures
        for one in figures:
            row = {key: getattr(one, key) for key in KEYS}
            rows.append(row | {"pictures": trio.size, "about": one.about})
    return rows


def attacked(made: Shop, train: Shop, held: Shop, run: Run) -> list[dict[str, Any]]:
    """What attacks tell of the training photos, of which validation photos are the others."""
    report = run_attacks(train, made, held, run)
    return [
        {
            "name": one.name,
            "area": one.area.value,
            "low": one.area.low,
            "high": one.area.high,
            "caught": one.caught,
            "about": one.about,
        }
        for one in report.outcomes
    ]


def planted(made: Shop, train: Shop, share: float) -> Shop:
    """The pictures with training photos, as small, among them."""
    images = made.table("images")
    number = round(share * len(images))
    rows = np.random.default_rng(1).permutation(train.rows("images"))[:number]
    some = train.with_tables(images=train.table("images")[np.sort(rows)])
    files = reduced(some, SIDE).table("images")["image"].to_list()
    whole = pl.Series([*files, *images["image"].to_list()[number:]], dtype=pl.Binary)
    return made.with_tables(images=images.with_columns(image=whole))


KEYS = ("name", "value", "low", "high", "floor", "floor_low", "floor_high")


def sheet(fitted_: Any, run: Run) -> np.ndarray:
    """Pictures of each class, a class a row: uint8 [classes × side, pictures × side, 3]."""
    names = tuple(np.repeat(fitted_.classes_, SHOWN))
    files = fitted_.sample(len(names), run, GivenPictures(names)).table("images")["image"]
    seen = np.stack([decode(one, SIDE) for one in files])
    rows = seen.reshape(-1, SHOWN, SIDE, SIDE, 3).transpose(0, 2, 1, 3, 4)
    return rows.reshape(-1, SHOWN * SIDE, 3)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--pictures", type=int, default=200, help="made by each network")
    parser.add_argument("--only", nargs="*", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--sheet", type=Path)
    chosen = parser.parse_args()
    run, again = Run(seed=1, threads=1, quiet=True), Run(seed=2, threads=1, quiet=True)
    old = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else {}
    rows = {row["made"]: row for row in old.get("rows", [])}
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("clothing_images") / "images.tar.gz", to=Path(folder) / "shop").in_memory()
    parts = split_pictures(shop, SplitSettings())
    train, held, test = (part.in_memory() for part in parts)
    for name in chosen.only:
        made, about = fitted(name, chosen.minutes, train, run)
        start = time.process_time()
        sample = made.sample(chosen.pictures, again)
        speed = chosen.pictures / (time.process_time() - start)
        about |= {"minutes": chosen.minutes, "photos_s": speed}
        rows[name] = {
            "made": name,
            **about,
            "figures": measured(sample, train, held, run),
            "attacks": attacked(sample, train, held, run),
            "planted": attacked(planted(sample, train, PLANTED), train, held, run),
        }
        print(rows[name], flush=True)
        if chosen.sheet:
            drawn = Image.fromarray(sheet(made, again))
            drawn.save(chosen.sheet.with_name(f"{chosen.sheet.stem}-{name}.png"))
        if name == chosen.only[-1]:
            for real, own in (("training photos", train), ("test photos", test)):
                if real in rows:
                    continue
                rows_ = np.random.default_rng(0).permutation(own.rows("images"))[: chosen.pictures]
                some = own.with_tables(images=own.table("images")[np.sort(rows_)])
                figures = measured(given_as_made(some, real), train, held, run)
                told = attacked(given_as_made(some, real), train, held, run)
                rows[real] = {"made": real, "figures": figures, "attacks": told}
                print(rows[real], flush=True)
        order = [*NETWORKS, "test photos", "training photos"]
        found = [rows[one] for one in order if one in rows]
        write(chosen.json, "pictures_scratch", machine(chosen.note), side=SIDE, rows=found)


if __name__ == "__main__":
    main()
