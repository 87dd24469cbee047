"""Bundles made for tests, and how they are damaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import small_shop
from wareloom.bundle import MANIFEST, Bundle, ProofNote, write_bundle
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
from wareloom.core.state import json_text
from wareloom.errors import SourceError
from wareloom.rankers import Ranker
from wareloom.shop import Shop

TINY = {"embedding_size": 8, "epochs": 1, "max_length": 8, "heads": 1, "layers": 1}
NOTE = ProofNote("p1", "helps", "It helps.", "ndcg@10", 0.1, 0.05, 0.15)
RECIPE = {"name": "mine", "train": {"name": "ease", "set": {"l2": 5.0}}}
CHOICE = {"generator": "markov", "ratio": 0.5, "mixer": "ratio", "ranker": "ease"}


def fitted(name: str, shop: Shop, **settings: Any) -> Ranker:
    made: Ranker = RANKERS.make(name, **settings).fit(shop, Run(seed=1, threads=1))
    return made


def written(folder: Path, ranker: Ranker, shop: Shop, **more: Any) -> Bundle:
    given = {"recipe": RECIPE, "choice": CHOICE, "proof": NOTE, "seed": 1} | more
    return write_bundle(folder, ranker=ranker, shop=shop, **given)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and give it the id that goes with it, as somebody would who knows how."""
    told = json.loads((folder / MANIFEST).read_text())
    change(told)
    told.pop("id", None)
    told["id"] = hashlib.sha256(json_text(told).encode()).hexdigest()
    (folder / MANIFEST).write_text(json_text(told))


def replaced(folder: Path, name: str, content: str) -> None:
    """Put other content into a file and list it rightly."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    note = {
        "bytes": len(content.encode()),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }
    rewritten(folder, lambda told: told["files"].update({name: note}))


def whole_bundle(folder: Path) -> Path:
    """Write a bundle with every kind of file: a ranker made of rankers, and a reranker."""
    shop = small_shop()
    written(folder, fitted("blend", shop), shop, reranker=RERANKERS.make("calibrated"))
    return folder


def names(folder: Path) -> list[str]:
    found = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return sorted(found)


def refused(folder: Path, message: str, **how: Any) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        Bundle.open(folder, **how)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
