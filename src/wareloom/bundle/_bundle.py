"""An open bundle: a ranker, perhaps a reranker, and the catalogue that they speak of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from wareloom._version import __version__
from wareloom.bundle._algorithms import algorithms, check_code, load_classes
from wareloom.bundle._files import check_files
from wareloom.bundle._manifest import Manifest, read_manifest
from wareloom.core import notebook
from wareloom.core.asked import require_kind, texts
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
from wareloom.core.state import read_json
from wareloom.errors import InputError, MissingExtraError, RefusedError, SourceError, require
from wareloom.rankers import Ranker
from wareloom.reranking import Catalogue, Reranker
from wareloom.shop import Requests, Shop, Vocabulary
from wareloom.shop.keeps import ORDER, Keeps, worst

ITEMS = "items.parquet"
RECIPE = "recipe.json"
EVENTS = "events"
"""Column of a bundle's items: weight of the events of each in the training data"""
CANDIDATES = 100
"""Items that a reranker chooses from, where nothing is said"""


@dataclass(frozen=True)
class Difference:
    """How a shop's catalogue differs from a bundle's."""

    same_data: bool
    """Whether the bundle was made from this very data"""
    missing: int
    """Items of the bundle that the shop lacks"""
    new: int
    """Items of the shop that the bundle does not know"""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A folder with all that answers need. `Bundle.open` reads one, `write_bundle` makes one."""

    folder: Path
    id: str
    """SHA-256 over the manifest, and so over all that it says and all files"""
    manifest: Manifest
    recipe: dict[str, Any]
    ranker: Ranker
    reranker: Reranker | None
    items: pl.DataFrame
    """The catalogue as the training shop had it, with `events`, the weight of each item's events"""

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        check: Literal["whole", "sizes"] = "whole",
        allow_code: Sequence[str] = (),
        most: Keeps = "people",
    ) -> Bundle:
        """Open a bundle. Raises `SourceError` where it is damaged, edited, newer, or more or less than was written.

        `check`: "whole" reads every file and compares digests; "sizes" looks at the list of files and their sizes, and
        leaves digests to `verify`. `allow_code`: packages outside Wareloom whose algorithms may be imported. `most`: so
        much of real users it may hold at most, "counts" or "private" for whoever serves others; `RefusedError` beyond.
        Raises `MissingExtraError` where the ranker needs an optional package that is not installed.
        """
        require("Bundle.open", "check", check, check in ("whole", "sizes"), "'whole' or 'sizes'")
        folder = Path(folder)
        id_, manifest = read_manifest(folder)
        _check_keeps(folder, manifest, most)
        check_files(folder, manifest.files, whole=check == "whole")
        unread = check == "sizes"
        damage = _blaming_damage(folder, manifest) if unread else contextlib.nullcontext()
        with damage, _saying_whose(folder, manifest):
            found = algorithms(folder, manifest.files)
            allowed = (allow_code,) if isinstance(allow_code, str) else tuple(allow_code)
            check_code(folder, found, allowed)
            load_classes(found)
            return cls(
                folder,
                id_,
                manifest,
                recipe=read_json(folder / RECIPE),
                ranker=_ranker(folder, allowed),
                reranker=_reranker(folder, allowed) if manifest.reranker else None,
                items=pl.read_parquet(folder / ITEMS, glob=False),
            )

    def __repr__(self) -> str:
        made = (
            f"{self.ranker.name}, then {self.reranker.name}" if self.reranker else self.ranker.name
        )
        said = (f"{len(self.items):,} items", f"id {self.id[:12]}", str(self.folder))
        return notebook.line("Bundle", self.manifest.kind, made, *said)

    def verify(self) -> None:
        """Compare the digest of every file; raises `SourceError` that names the one that is not as it was written."""
        id_, manifest = read_manifest(self.folder)
        if id_ != self.id:
            raise SourceError(
                f"{self.folder} holds another bundle than the one that was opened ({id_[:12]} instead of "
                f"{self.id[:12]}): open it again."
            )
        check_files(self.folder, manifest.files, whole=True)

    def rank(
        self,
        requests: Requests,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: int = CANDIDATES,
        reranker: Reranker | None = None,
    ) -> pl.DataFrame:
        """Return the k best items of each request: request, user_id, rank, item_id, score, title if any.

        The bundle's reranker, or another, orders the best `candidates` anew; scores are the ranker's.
        """
        order = reranker or self.reranker
        depth = max(k, candidates) if order else k
        ranked = self.ranker.rank(requests, depth, exclude_seen=exclude_seen)
        if order:
            ranked = order.apply(ranked, self.catalogue, k, requests)
        return self._titled(ranked)

    def search(
        self, queries: Sequence[str], k: int = 10, *, candidates: int = CANDIDATES
    ) -> pl.DataFrame:
        """Return the k best items of each query of somebody unknown: request, query, rank, item_id, score, title.

        Raises `InputError` where the bundle's ranker does not search.
        """
        require_kind("Bundle.search", "queries", queries, texts)
        if self.manifest.kind != "search":
            raise InputError(
                f"The bundle {self.folder} is one of {self.manifest.kind}: its ranker {self.ranker.name!r} reads no "
                "queries. Ask rank, or make a bundle with a ranker of search such as bm25."
            )
        asked = replace(Requests.sessions([[] for _ in queries]), queries=list(queries))
        found = self.rank(asked, k, candidates=candidates)
        said = pl.Series("query", list(queries), dtype=pl.String).gather(found["request"])
        return found.drop("user_id").insert_column(1, said)

    def difference(self, shop: Shop) -> Difference:
        """Compare the catalogue of a shop with the bundle's."""
        theirs = Vocabulary(shop.table("items")["item_id"])
        return Difference(
            shop.fingerprint == self.manifest.created_from.fingerprint,
            int((theirs.recode(self.vocabulary) < 0).sum()),
            int((self.vocabulary.recode(theirs) < 0).sum()),
        )

    def check_shop(self, shop: Shop) -> None:
        """Raise `SourceError` where the bundle was not made from this very shop; it says how far the items differ."""
        found = self.difference(shop)
        if not found.same_data:
            made = self.manifest.created_from
            raise SourceError(
                f"The bundle {self.folder} was made from other data (fingerprint {made.fingerprint[:12]}) than the "
                f"shop {shop.path or 'given'} holds ({shop.fingerprint[:12]}): the shop lacks {found.missing:,} of its "
                f"{made.items:,} items and has {found.new:,} new ones. Make a bundle of this shop."
            )

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The ids of the catalogue; an item's code is its row in `items`."""
        return Vocabulary(self.items["item_id"], lasting=True)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The items as rerankers look at them."""
        found = Catalogue(
            Shop.trusted({"items": self.items.drop(EVENTS)}), Run(seed=self.manifest.seed)
        )
        found.counts = self.items[EVENTS].to_numpy()
        return found

    def _titled(self, ranked: pl.DataFrame) -> pl.DataFrame:
        if "title" not in self.items.columns:
            return ranked
        titles = self.items["title"].gather(self.vocabulary.encode(ranked["item_id"]))
        return ranked.with_columns(title=titles)


def _check_keeps(folder: Path, manifest: Manifest, most: Keeps) -> None:
    require("Bundle.open", "most", most, most in ORDER, f"one of {', '.join(ORDER)}")
    if ORDER.index(worst(manifest.keeps)) > ORDER.index(most):
        said = f"keeps {manifest.keeps}" if manifest.keeps else "does not say what it keeps"
        raise RefusedError(
            f"The bundle {folder} {said}; {most} is the most that was asked for: whoever is served by it could be told "
            "of real users. Serve one made of a release (wareloom bundle FOLDER --of RELEASE --to OUT), or open it for "
            "use inside, most='people'."
        )


def _ranker(folder: Path, allowed: Sequence[str]) -> Ranker:
    found: Ranker = RANKERS.restore(folder / "ranker", allow_code=allowed)
    return found


def _reranker(folder: Path, allowed: Sequence[str]) -> Reranker:
    found: Reranker = RERANKERS.restore(folder / "reranker", allow_code=allowed)
    return found


@contextlib.contextmanager
def _blaming_damage(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Look for damage first where something goes wrong inside: the file that is damaged is named then.

    Not an `except`: for bytes that they cannot read libraries raise what they like, panics of compiled code, too.
    """
    well = False
    try:
        yield
        well = True
    finally:
        if not well:
            check_files(folder, manifest.files, whole=True)


@contextlib.contextmanager
def _saying_whose(folder: Path, manifest: Manifest) -> Iterator[None]:
    """Name the bundle, and the versions, in what goes wrong when its algorithms are restored."""
    try:
        yield
    except MissingExtraError as error:
        raise MissingExtraError(f"The bundle {folder} cannot be opened here: {error}") from error
    except SourceError:
        raise
    except (InputError, KeyError, AttributeError, TypeError, OSError) as error:
        why = str(error).rstrip(".")
        raise SourceError(
            f"The bundle {folder} cannot be restored: {why}. It was written by Wareloom {manifest.wareloom}, this is "
            f"{__version__}: use that version, or make the bundle anew."
        ) from error
