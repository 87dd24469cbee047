"""Publish a bundle to a slot: written beside, compared with the ranker itself, held to its smoke queries, then live."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom._version import __version__
from wareloom.bundle import Bundle
from wareloom.core.family import RANKERS
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.state import write_json
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.rankers import Ranker
from wareloom.serving.forms.realtime import Onward, made_of, write_onward
from wareloom.serving.forms.reorder import ITEMS, RERANKER
from wareloom.serving.vectors.form import Vectors
from wareloom.serving.versions.catalogue import write_catalogue
from wareloom.serving.versions.measured import measure
from wareloom.serving.versions.people import write_people
from wareloom.serving.versions.published import Served, write_served
from wareloom.serving.versions.rules import rules_of
from wareloom.serving.versions.store import Change, Store, check_slot
from wareloom.serving.versions.swap import swap_encoder
from wareloom.serving.versions.version import (
    FORMAT,
    MANIFEST,
    PEOPLE,
    Version,
    check_version,
    digest,
    id_of,
)
from wareloom.shop import Requests, Shop
from wareloom.shop.keeps import Keeps, worst
from wareloom.shop.texts import DEFAULT

SAMPLE = 20
"""Histories, drawn anew each time alike, on which the published form must agree with the ranker"""
CLOSE = 1e-5
"""What scores may differ by, as a share, for all that they were summed in another order"""
SMOKE = {"query", "history", "k", "has", "lacks"}


def publish(
    model: Path,
    to: Path,
    slot: str,
    *,
    unproved: bool = False,
    rules: dict[str, Any] | None = None,
    smoke: Sequence[dict[str, Any]] = (),
    allow_code: Sequence[str] = (),
    how: How | None = None,
) -> tuple[str, Change]:
    """Write a bundle as a version of a store and make it live in a slot; returns its id and the change.

    Raises `InputError` where its proof says that it hurts, where it has none (unless `unproved`), where a smoke query
    fails, where the published form does not answer as the ranker does, or where vectors are not found well enough;
    `RefusedError` where it keeps more of real users than it may. What was live stays live then.
    """
    check_slot(slot)
    rules_of(rules or {}, str(model))
    how = how or How()
    if how.people is not None and how.most == "private":
        raise InputError(
            "Pairs of items that people had are counts of them: publish without people, or with most='counts'."
        )
    bundle = Bundle.open(model, allow_code=tuple(allow_code), most=how.most)
    _check_proof(bundle, unproved)
    if bundle.reranker is not None and bundle.reranker.whole:
        raise InputError(
            f"{model} orders all lists together by {bundle.reranker.name!r}, and a shopper asks for one: make it "
            "without a reranker, or with one such as mmr."
        )
    store = Store.made(to)
    fresh = store.versions / f".new-{os.getpid()}"
    with replacing(fresh, marker=MANIFEST) as partial:
        realtime = None if how.onward is None else _onward(how.onward, partial, allow_code)
        write_version(bundle, partial, unproved, (rules or {}, realtime), list(smoke), how)
        if how.encoder == "f32":
            # Compared without what is drawn in real time: that is no answer of the ranker.
            plain = Version.open(partial, allow_code=allow_code).served
            _compare(bundle.ranker, Served(plain.ids, plain.form, plain.ranker))
        # As it will be served: what the encoder is packed to is held to smoke queries, too.
        version = Version.open(partial, allow_code=allow_code, packed=store.packed)
        _smoke(version, smoke)
    place = store.versions / version.id
    if place.exists():
        check_version(place, whole=True)
        shutil.rmtree(fresh)
    else:
        fresh.rename(place)
    return version.id, store.set_live(slot, version.id, by="publish")


@dataclass(frozen=True)
class How:
    """How vectors are searched and queries read, and what may be served at all."""

    break_even: int | None = None
    """Items up to which they are searched exactly; None measures it"""
    encoder: str = "f32"
    """f32, int8, or the folder of a variant that `compress` wrote"""
    judged: Shop | None = None
    """Judged queries by which another encoder than f32 is compared; None takes parts of titles"""
    onward: Onward | None = None
    """How short sessions are written on; None answers them plainly"""
    most: Keeps = "people"
    """So much of real users the version may hold at most, see `Bundle.open`"""
    people: Shop | None = None
    """Whose log says which two items five people or more had; None says nothing of others"""


def _check_proof(bundle: Bundle, unproved: bool) -> None:
    proof = bundle.manifest.proof
    if proof is None and not unproved:
        raise InputError(
            f"{bundle.folder} has no proof that it does no harm: make it by wareloom run, or pass --unproved, which "
            "is then said wherever the version is named."
        )
    # What was made of real data alone has nothing of what was found to hurt.
    if proof is not None and proof.verdict == "hurts" and bundle.manifest.choice.get("mixed", True):
        raise InputError(
            f"The proof of {bundle.folder} says that it hurts: {proof.sentence} It is not published."
        )


def _onward(onward: Onward, folder: Path, allow_code: Sequence[str]) -> dict[str, Any]:
    """Fit or read the generator that writes sessions on, and save it to the version."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_onward(onward, made_of(onward, allow_code), folder)


def write_version(
    bundle: Bundle,
    folder: Path,
    unproved: bool,
    setting: tuple[dict[str, Any], dict[str, Any] | None],
    smoke: list[dict[str, Any]],
    how: How,
) -> None:
    """Write all files of a version, and its manifest last; `setting`: rules, and real-time synthesis where there is."""
    rules, realtime = setting
    write_served(bundle.ranker, folder / "served")
    encoder = None
    if how.encoder != "f32":
        encoder = swap_encoder(folder / "served", bundle.ranker, how.encoder, how.judged).told()
    queries = [str(one["query"]) for one in smoke if one.get("query")]
    vectors = measure(folder / "served", break_even=how.break_even, queries=queries)
    ids = bundle.ranker.items_
    write_catalogue(bundle.items, ids, folder / "catalogue")
    people = None if how.people is None else write_people(how.people, ids, folder / PEOPLE)
    mean = _write_words(bundle, ids, folder / "words")
    if bundle.reranker is not None:
        bundle.reranker.save(folder / RERANKER)
        bundle.items.write_parquet(folder / ITEMS)
    write_json(folder / "recipe.json", bundle.recipe)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    note = {
        p.relative_to(folder).as_posix(): {"bytes": p.stat().st_size, "sha256": digest(p)}
        for p in files
    }
    manifest = bundle.manifest
    told: dict[str, Any] = {
        "format": FORMAT,
        "wareloom": __version__,
        "bundle": bundle.id,
        "kind": manifest.kind,
        "created_from": asdict(manifest.created_from),
        "ranker": asdict(manifest.ranker),
        "reranker": None if manifest.reranker is None else asdict(manifest.reranker),
        "choice": manifest.choice,
        "proof": None if manifest.proof is None else asdict(manifest.proof),
        "unproved": manifest.proof is None and unproved,
        "keeps": _keeps(manifest.keeps, realtime, people),
        "seed": manifest.seed,
        "rules": rules,
        "smoke": smoke,
        "words": mean,
        "vectors": vectors,
        "encoder": encoder and {"is": Path(how.encoder).name, **encoder},
        "files": note,
    }
    if people is not None:
        told["people"] = people
    if realtime is not None:
        told["realtime"] = realtime
    write_json(folder / MANIFEST, {**told, "id": id_of(told)})


def _keeps(
    bundle: Keeps | None, realtime: dict[str, Any] | None, people: dict[str, int] | None
) -> Keeps:
    """What a version holds of people: what its bundle does, who writes sessions on, and sums over them."""
    onward: Keeps = "private" if realtime is None else realtime["keeps"]
    return worst(bundle, onward, "private" if people is None else "counts")


def _write_words(bundle: Bundle, ids: pl.Series, folder: Path) -> float | None:
    """Write BM25 over the catalogue's texts, by which all is searched that has no ranker of search; their mean length.

    None where no item has a text.
    """
    from wareloom.language.sizes import Terms

    items = bundle.items
    texts = [name for name in DEFAULT.split() if name in items.columns]
    if not texts or not any(items[name].null_count() < len(items) for name in texts):
        return None
    shop = Shop.trusted(
        {"items": items.drop("events").filter(pl.col("item_id").is_in(ids.implode()))}
    )
    ranker: Ranker = RANKERS.make("bm25").fit(shop, Run(seed=0, threads=1, quiet=True))
    order = pl.DataFrame({"item_id": ranker.items_}).join(
        items.select("item_id", "events"), on="item_id", how="left", maintain_order="left"
    )
    if not ranker.items_.equals(ids, check_names=False):
        raise SourceError(
            f"{bundle.folder} has items in another order than its ranker: make it anew."
        )
    ranker.popularity_ = order["events"].fill_null(0.0).to_numpy()  # type: ignore[attr-defined]
    write_served(ranker, folder)
    lengths = np.zeros(len(items))
    for name in texts:
        said = [_said(text) for text in items[name].to_list()]
        lengths += Terms().all_found(said).list.len().to_numpy()
    return float(max(lengths.mean(), 1.0))


def _said(text: Any) -> str:
    if isinstance(text, list):
        return " ".join(str(part) for part in text if part)
    return str(text or "")


def _compare(ranker: Ranker, served: Served) -> None:
    """Raise `SourceError` where the published form gives other items than the ranker.

    What a graph leaves out is measured elsewhere: here vectors are searched exactly.
    """
    rng, n = np.random.default_rng(0), len(served)
    if isinstance(served.form, Vectors):
        served.form.near.graph = None
    for _ in range(SAMPLE):
        codes = rng.integers(0, n, rng.integers(0, 8)).astype(np.int32)
        history = [served.ids.text(int(code)) for code in codes]
        wanted = ranker.rank(Requests.sessions([history]), 10)
        found, scores = served.top(codes, k=10)
        if not _same(
            found, scores, served.ids.codes(wanted["item_id"].to_list()), wanted["score"].to_numpy()
        ):
            raise SourceError(
                f"The published form of {ranker.name!r} does not answer as the ranker does, after {history}: this is a "
                "defect of Wareloom, please report it. Nothing was published."
            )


def _same(found: np.ndarray, scores: np.ndarray, codes: np.ndarray, wanted: np.ndarray) -> bool:
    """Whether two answers are one, but for the order of items whose scores only rounding tells apart."""
    if len(found) != len(codes) or not np.allclose(scores, wanted, rtol=CLOSE, atol=CLOSE):
        return False
    near = CLOSE * (1 + np.abs(wanted))
    for place in np.flatnonzero(found != codes):
        # Where products of like vectors are summed in another order, they may change places with their neighbours.
        beside = codes[np.abs(wanted - wanted[place]) <= 2 * near[place]]
        last = abs(wanted[place] - wanted[-1]) <= 2 * near[place]
        if found[place] not in beside and not last:
            return False
    return True


def read_smoke(path: Path) -> list[dict[str, Any]]:
    """Read smoke queries, tables `[[smoke]]` of query or history, `has`, `lacks` and `k`; raises `SettingError`."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8")).get("smoke", [])
    except (OSError, ValueError) as error:
        raise SettingError(f"The smoke queries {path} cannot be read: {error}.") from error
    for one in told if isinstance(told, list) else [None]:
        if (
            not isinstance(one, dict)
            or not one
            or set(one) - SMOKE
            or not {"has", "lacks"} & set(one)
        ):
            raise SettingError(
                f"{path} holds {one!r}: give tables [[smoke]] with query or history, and has or lacks."
            )
    return list(told)


def _smoke(version: Version, queries: Sequence[dict[str, Any]]) -> None:
    """Raise `InputError` that names the first smoke query whose answer is not as it must be."""
    for one in queries:
        query, k = str(one.get("query", "")), int(one.get("k", 10))
        served = version.searcher() if query else version.served
        if served is None:
            raise InputError(f"The smoke query {query!r} finds nothing: the catalogue has no text.")
        codes = served.ids.codes([str(item) for item in one.get("history", [])])
        found, _ = served.top(codes[codes >= 0], query, k)
        shown = {served.ids.text(int(code)) for code in found}
        lacking, odd = (
            [i for i in one.get("has", []) if i not in shown],
            [i for i in one.get("lacks", []) if i in shown],
        )
        if lacking or odd:
            said = f"lacks {lacking[0]!r}" if lacking else f"holds {odd[0]!r}"
            raise InputError(
                f"The smoke query {query or one.get('history')!r} fails: its best {k} {said}. Nothing was published."
            )


__all__ = ["publish", "read_smoke"]
