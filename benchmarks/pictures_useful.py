"""Do altered copies of photos help to tell photos apart, from scratch and on a pretrained encoder?

    python benchmarks/pictures_useful.py [--only NAME ...] [--cache DIR] [--threads N] [--json FILE]

Photos of clothing_images in ten classes, in the source's own parts. Each seed draws its own share of the training
photos, class by class, and everything else that is random: with a share below 1 as many draws as seeds. Arms take equal
updates where there are any, as many as the real photos take by themselves, or so many as are named; the ratio is chosen
on the validation photos with the first seed; the test photos are read at the end. Beside each stand repeated photos,
noisy copies and a linear layer on the encoder; pictures from scratch have to beat altered copies, too. `--json` keeps
what an earlier call wrote of other proofs. Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.experiment.result import Proof
from wareloom.proof.pictures import PictureProofSettings
from wareloom.proof.prove import prove
from wareloom.readers import read
from wareloom.sampling.generator import Generator

CNN: dict[str, Any] = {"ranker": "cnn", "ranker_settings": {"width": 16}}
LITE0: dict[str, Any] = {"ranker": "lite0"}
PROOFS: dict[str, dict[str, Any]] = {
    "lite0, 5 %": {**LITE0, "labelled": 0.05, "seeds": 5, "ratios": (4.0,)},
    "cnn, 5 %": {**CNN, "labelled": 0.05, "seeds": 5, "ratios": (4.0,), "updates": 300},
    "cnn, 5 %, 2,000 updates": {
        **CNN,
        "labelled": 0.05,
        "seeds": 5,
        "ratios": (16.0,),
        "updates": 2000,
    },
    "cnn, 5 %, image_diffusion": {
        **CNN,
        "labelled": 0.05,
        "seeds": 5,
        "ratios": (4.0,),
        "generator": {
            "synthesizer": "image_diffusion",
            "settings": {"steps": 300, "denoising": 10},
        },
    },
    "lite0, 20 %": {**LITE0, "labelled": 0.2, "seeds": 5, "ratios": (1.0,)},
    "lite0, all": {**LITE0, "labelled": 1.0, "seeds": 1, "ratios": (0.5,)},
}
"""Settings by name"""
GOALS = {
    "lite0, 5 %": (0.67, 0.58),
    "lite0, 20 %": (0.75, 0.68),
    "lite0, all": (0.79, 0.74),
}
"""Accuracy and macro-F1 that were to be reached with altered copies"""
KEPT = ("arm", "against", "metric", "mean", "low", "high", "difference", "lift", "p", "verdict")


def told(name: str, proof: Proof, seconds: float) -> dict[str, Any]:
    """The figures of a proof that tables are made of."""
    mode = proof.data["modes"][0]
    whole = {
        table: [
            {key: row[key] for key in KEPT if key in row}
            for row in proof.data[table]  # type: ignore[literal-required]
            if row["slice"] == "all"
        ]
        for table in ("arms", "comparisons")
    }
    return {
        "name": name,
        "settings": PROOFS[name],
        "photos": mode["task"]["requests"],
        "training": {row["arm"]: row["images"] for row in proof.data["training"]},  # type: ignore[typeddict-item]
        "ratio": mode["choice"]["ratio"],
        "verdict": proof.verdict,
        "sentence": str(proof),
        "goal": GOALS.get(name),
        "seconds": round(seconds),
        **whole,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="*", default=list(PROOFS), choices=list(PROOFS))
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    old = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else {}
    found = {row["name"]: row for row in old.get("rows", []) if row["name"] in PROOFS}
    about = old.get("about") or machine(chosen.note)
    with tempfile.TemporaryDirectory() as folder:
        shop = read(data("clothing_images") / "images.tar.gz", to=Path(folder) / "shop")
        run = Run(threads=chosen.threads, quiet=True, cache=chosen.cache)
        for name in chosen.only:
            start, made = time.perf_counter(), dict(PROOFS[name])
            said = made.pop("generator", {"synthesizer": "image_augment"})
            generator = Generator(screens=(), **said)
            proof = prove(shop, PictureProofSettings(generator=generator, **made), run)
            found[name] = told(name, proof, time.perf_counter() - start)
            about = machine(chosen.note)
            print(name, proof, flush=True)
            for row in found[name]["arms"]:
                print("   ", row["arm"], row["metric"], round(row["mean"], 4), flush=True)
            kept(chosen.json, about, found)
    kept(chosen.json, about, found)


def kept(path: Path | None, about: dict[str, Any], found: dict[str, Any]) -> None:
    """Write what was found, and what was not run."""
    rows = [found[one] for one in PROOFS if one in found]
    missing = [one for one in PROOFS if one not in found]
    write(path, "pictures_useful", about, rows=rows, missing=missing)


if __name__ == "__main__":
    main()
