"""Bundles for others: a copy leaves where all that the bundle learned from is a release that left already.

A bundle is asked by those who hold it as often as they like, and no gate measures what it tells (on real logs the
attack `ranker` is the worst of all). So a bundle does not leave by gates of its own. What was made of a release alone
tells no more than the release does, whoever asks it: that needs no further attack, and no line in the ledger.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wareloom.bundle import MANIFEST, Bundle, Manifest, files_of, read_manifest, write_manifest
from wareloom.core.files import replacing
from wareloom.core.parse import read_json
from wareloom.core.state import write_json
from wareloom.errors import GateError, SourceError
from wareloom.release.certificate import NAME, verify
from wareloom.release.tables import MARK
from wareloom.shop.keeping import HOLDS_PEOPLE
from wareloom.shop.keeps import ORDER, Keeps

RECIPE = "recipe.json"
REMEDY = (
    "release a sample of the shop (wareloom release), make the bundle of the release's folder (wareloom run), and name "
    "it: --of RELEASE"
)
MODELS = {MANIFEST: "a bundle", "algorithm.json": "a saved model"}
"""What a folder is that is no sample, by the file that it has"""


def refuse_models(folder: Path) -> None:
    """Raise `SourceError` where a folder is a bundle or a saved model, which no gate of a release can judge."""
    for name, what in MODELS.items():
        if (folder / name).is_file() and not (folder / "shop.json").is_file():
            raise SourceError(
                f"{folder} is {what}, not a sample: gates judge rows, and a model can be asked for more. "
                "Release a sample, and make the bundle of that: wareloom bundle BUNDLE --of RELEASE --to OUT."
            )


def for_others(
    bundle: Path, to: Path, release: Path | None, allow_code: Sequence[str] = ()
) -> Manifest:
    """Write a copy of a bundle that may be handed on to `to`, without its recipe; returns its manifest.

    `release`: the folder of the release that it was made of; `allow_code` as of `Bundle.open`. Raises `GateError`, and
    writes nothing, where the bundle keeps people, was not made of that release alone, or holds more than that; besides
    what `verify` and `Bundle.open` raise.
    """
    _, manifest = read_manifest(bundle)
    if manifest.keeps not in ("counts", "private"):
        why = (
            HOLDS_PEOPLE if manifest.keeps else "does not say what it keeps, which counts as people"
        )
        raise _refused(
            bundle, f"it {why}", f"train a ranker that keeps counts on a release, then {REMEDY}"
        )
    if release is None:
        raise _refused(bundle, f"it keeps {manifest.keeps}, and no release is named", REMEDY)
    promised = verify(release)["keeps"]
    mark, told = read_json(release / NAME).get(MARK), manifest.created_from.meta
    if mark is None or told.get(MARK) != mark or _more(told.get("keeps"), promised):
        raise _refused(
            bundle, f"it was not made of the release {release}, or not of it alone", REMEDY
        )
    if _more(manifest.keeps, promised):
        raise _refused(
            bundle,
            f"it keeps {manifest.keeps}, the release {promised}",
            "train its ranker on the release without other rows",
        )
    opened = Bundle.open(bundle, most=promised, allow_code=allow_code)
    with replacing(to, marker=MANIFEST) as partial:
        for name in manifest.files:
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle / name, partial / name)
        # A recipe is kept as it was given, with paths of those who gave it.
        write_json(partial / RECIPE, {})
        given = replace(opened.manifest, files=files_of(partial))
        write_manifest(partial, given)
    return given


def _more(said: Any, than: Keeps) -> bool:
    """Whether more is kept than that; a real log, which says nothing, is all there is."""
    return said not in ORDER or ORDER.index(said) > ORDER.index(than)


def _refused(bundle: Path, why: str, remedy: str) -> GateError:
    return GateError(
        f"Nothing was written: {bundle} may not be handed to others, since {why}.\n  Remedy: {remedy}."
    )
