"""A ranker as it is published: written once as mapped arrays, opened in milliseconds, asked in codes.

    write_served(ranker, folder)
    served = Served.open(folder)
    codes, scores = served.top(served.ids.codes(["i3", "i4"]), k=10)

It gives what `Ranker.rank` gives: the same items in the same order.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from wareloom.core.family import RANKERS
from wareloom.core.state import read_json, write_json
from wareloom.rankers import Ranker
from wareloom.rankers.history import tail
from wareloom.rankers.members import prior
from wareloom.serving.files.arrays import Arrays
from wareloom.serving.files.lookup import Lookup, Texts, write_texts
from wareloom.serving.forms import base as forms
from wareloom.serving.forms.base import NO_ONE, NOTHING, Asked, Form, Found, Part, Room, Rows
from wareloom.serving.forms.fused import Fused
from wareloom.serving.forms.itself import Itself
from wareloom.serving.forms.kinds import OTHERS
from wareloom.serving.forms.realtime import Realtime
from wareloom.serving.vectors.encode import Encoder
from wareloom.serving.vectors.form import Asker, ByRanker, ByText, Vectors
from wareloom.serving.vectors.near import Near, write_near
from wareloom.serving.vectors.packed import Packed

HEAD = "served.json"
ENCODERS = "encoders"
LARGE = 1 << 16
"""Bytes from which an array of a ranker that is asked itself is mapped"""


def write_served(ranker: Ranker, folder: Path) -> None:
    """Write a fitted ranker for serving to a new folder."""
    folder.mkdir(parents=True)
    Lookup.write(Arrays(folder / "arrays"), "ids", ranker.items_)
    told = _write_form(ranker, folder, "")
    write_json(folder / HEAD, {"items": len(ranker.items_), "ranker": ranker.name, **told})


class Opening(NamedTuple):
    """How published rankers are opened."""

    allowed: tuple[str, ...] = ()
    """Packages outside Wareloom that a ranker may be of"""
    packed: Packed | None = None
    """Where processes have what is packed of encoders together"""


class Served:
    """A published ranker."""

    def __init__(self, ids: Lookup, form: Form, ranker: str) -> None:
        self.ids, self.form, self.ranker = ids, form, ranker
        self.realtime: Realtime | None = None

    @classmethod
    def open(
        cls, folder: Path, *, allow_code: Sequence[str] = (), packed: Packed | None = None
    ) -> Served:
        """Map what `write_served` wrote; raises `SourceError` where it is not whole.

        `allow_code`: packages outside Wareloom that a ranker may be of. `packed`: see `Opening`.
        """
        told = read_json(folder / HEAD)
        how = Opening(tuple(allow_code), packed)
        form = _read_form(told, folder, "", Room(int(told["items"])), how)
        return cls(Lookup.read(Arrays(folder / "arrays"), "ids"), form, str(told["ranker"]))

    def __len__(self) -> int:
        return self.form.room.items

    def top(
        self,
        codes: np.ndarray,
        query: str = "",
        k: int = 10,
        *,
        barred: np.ndarray = NO_ONE,
        repeats: bool = False,
        user: str | None = None,
    ) -> Found:
        """Return the k best items for a history (int32 codes, oldest first) and a query: codes and scores, best first.

        `barred`: uint8 [items], 1 for items that may not be shown. Those of the history are left out, unless `repeats`.
        """
        had = NOTHING if repeats else codes
        return self.form.best(self.asked(codes, query, user), min(k, len(self)), had, barred)

    def asked(self, codes: np.ndarray, query: str = "", user: str | None = None) -> Asked:
        """A request, written on where this is synthesised in real time and nothing is looked for."""
        if self.realtime is None or query:
            return Asked(codes, query, user)
        return Asked(codes, query, user, self.realtime.onward(codes))

    def parts(self, asked: Asked, code: int) -> list[Part]:
        """What the score of an item is made of, the greatest first."""
        found = self.form.parts(asked, code)
        return sorted(found, key=lambda part: -abs(part.amount))


def _write_form(ranker: Ranker, folder: Path, place: str) -> dict[str, Any]:
    """Lay out what a ranker needs below names that begin with `place`; returns what reading needs to know."""
    told = _write_parts(ranker, folder, place)
    return {**told, "others": True} if ranker.name in OTHERS else told


def _write_parts(ranker: Ranker, folder: Path, place: str) -> dict[str, Any]:
    arrays, kind = Arrays(folder / "arrays"), forms.own_form(ranker)
    # Of a ranker from outside nobody knows whether the table is all that its scores are made of.
    table = ranker.neighbourhood() if kind == "table" else None
    if table is not None:
        _put_rows(arrays, f"{place}table", table.table)
        _put_rest(arrays, f"{place}rest", tail(ranker.popularity_))  # type: ignore[attr-defined]
        return {"form": "table", "decay": table.decay, "last": table.last}
    if kind == "popularity":
        _put_rest(arrays, f"{place}rest", ranker.popularity_.astype(np.float32))  # type: ignore[attr-defined]
        return {"form": "popularity"}
    if kind == "words":
        _put_rows(arrays, f"{place}table", ranker.weights_.T.tocsr())  # type: ignore[attr-defined]
        _put_rest(arrays, f"{place}rest", ranker.popularity_.astype(np.float32))  # type: ignore[attr-defined]
        Lookup.write(arrays, f"{place}terms", ranker.terms_)  # type: ignore[attr-defined]
        return {"form": "words", "terms": asdict(ranker._terms)}  # type: ignore[attr-defined]
    if kind == "sum":
        return _write_sum(ranker, folder, place)
    if kind == "vectors":
        return _write_vectors(ranker, folder, place)
    if kind == "fusion":
        return _write_fusion(ranker, folder, place)
    ranker.save(folder / "rankers" / (place or "whole"))
    large = {n: v for n, v in vars(ranker).items() if _is_large(n, v)}
    for name, value in large.items():
        arrays.put(f"{place}{name}", value)
    return {"form": "itself", "mapped": sorted(large)}


def _write_sum(ranker: Any, folder: Path, place: str) -> dict[str, Any]:
    arrays = Arrays(folder / "arrays")
    arrays.put(f"{place}base", ranker.weights_["popularity"] * prior(ranker.popularity_))
    arrays.put(f"{place}tail", tail(ranker.popularity_))
    members = []
    for n, (name, member) in enumerate(ranker.members_.items()):
        if ranker.weights_[name] > 0:
            told = _write_form(member, folder, f"{place}{n}.")
            factor = float(np.float32(ranker.weights_[name] / ranker.scale_[name]))
            members.append(
                {
                    "name": name,
                    "place": f"{place}{n}.",
                    "factor": factor,
                    "odds": member.gradient,
                    **told,
                }
            )
    return {"form": "sum", "members": members}


def _write_fusion(ranker: Any, folder: Path, place: str) -> dict[str, Any]:
    """Lay out the members, and what they are added up by."""
    _put_rest(Arrays(folder / "arrays"), f"{place}rest", ranker.popularity_.astype(np.float32))
    members = [
        {
            "name": name,
            "place": f"{place}{n}.",
            "share": float(share),
            **_write_form(member, folder, f"{place}{n}."),
        }
        for n, ((name, member), share) in enumerate(
            zip(ranker.members_.items(), ranker.shares_, strict=True)
        )
    ]
    constant = float(ranker.constant) if ranker.by == "rrf" else 0.0
    return {"form": "fusion", "members": members, "constant": constant, "depth": ranker.depth}


def _write_vectors(ranker: Ranker, folder: Path, place: str) -> dict[str, Any]:
    """Lay out the items' vectors, and what says where a request stands: an encoder of texts, or the ranker itself."""
    arrays = Arrays(folder / "arrays")
    if ranker.name == "bi_encoder":
        from wareloom.serving.vectors.export import write_encoder

        reader: Any = ranker
        network, tokenizer = reader.reader()
        write_encoder(network, tokenizer, reader.longest, folder / ENCODERS / (place or "whole"))
        write_texts(arrays, f"{place}names", [name.encode() for name in reader.names_])
        write_near(arrays, place, reader.vectors_, None)
        _put_rest(arrays, f"{place}rest", reader.popularity_.astype(np.float32))
        how = {"by": "text", "history": reader.history, "temperature": reader.temperature_}
        return {"form": "vectors", "graph": None, **how}
    space = ranker.space()
    assert space is not None
    large = [n for n, v in vars(ranker).items() if _is_large(n, v)]
    light = copy.copy(ranker)
    for name in large:
        arrays.put(f"{place}{name}", getattr(ranker, name))
        # What is mapped is neither written nor read once more.
        setattr(light, name, getattr(ranker, name)[:0])
    light.save(folder / "rankers" / (place or "whole"))
    write_near(arrays, place, *space)
    _put_rest(arrays, f"{place}rest", tail(ranker.popularity_))  # type: ignore[attr-defined]
    how = {"by": "ranker", "mapped": sorted(large), "bias": space.bias is not None}
    return {"form": "vectors", "graph": None, **how}


def _read_form(told: dict[str, Any], folder: Path, place: str, room: Room, how: Opening) -> Form:
    forms.check_known(folder, told)
    form = _form_of(told, folder, place, room, how)
    # Versions of before do not say so: of them nothing is said of others.
    form.others = bool(told.get("others", False))
    return form


def _form_of(told: dict[str, Any], folder: Path, place: str, room: Room, how: Opening) -> Form:
    arrays = Arrays(folder / "arrays")

    def rest(name: str) -> Found:
        return arrays.get(f"{place}{name}.scores"), arrays.get(f"{place}{name}.order")

    def table() -> forms.Table:
        return tuple(arrays.get(f"{place}table.{part}") for part in ("start", "column", "value"))  # type: ignore[return-value]

    match told["form"]:
        case "table":
            return Rows(room, table(), rest("rest"), float(told["decay"]), int(told["last"]))
        case "popularity":
            return Rows(room, forms.no_table(room.items), rest("rest"), 1.0, 0)
        case "words":
            from wareloom.language.sizes import Terms

            terms = Lookup.read(arrays, f"{place}terms")
            # Versions of before knew neither sizes nor pairs.
            said = told.get("terms") or {"stem": told.get("stem", True), "sizes": False}
            return forms.Words(room, table(), terms, rest("rest"), Terms(**said))
        case "sum":
            members = [
                (
                    m["name"],
                    _read_form(m, folder, m["place"], room, how),
                    m["factor"],
                    m["odds"],
                )
                for m in told["members"]
            ]
            return forms.Sum(room, members, arrays.get(f"{place}base"), arrays.get(f"{place}tail"))
        case "fusion":
            asked = [
                (m["name"], _read_form(m, folder, m["place"], room, how), m["share"])
                for m in told["members"]
            ]
            return Fused(room, asked, rest("rest"), float(told["constant"]), int(told["depth"]))
        case "vectors":
            return _read_vectors(told, folder, place, room, how)
        case _:
            return _read_itself(told, folder, place, room, how)


def _read_vectors(told: dict[str, Any], folder: Path, place: str, room: Room, how: Opening) -> Form:
    arrays = Arrays(folder / "arrays")
    near = Near.open(arrays, place, told["graph"])
    asker: Asker
    if told["by"] == "text":
        encoder = Encoder(folder / ENCODERS / (place or "whole"), shared=how.packed)
        names = Texts(arrays, f"{place}names")
        asker = ByText(encoder, names, int(told["history"]), float(told["temperature"]))
    else:
        itself = _read_itself(told, folder, place, room, how)
        asker = ByRanker(itself, bias=told["bias"])
    rest = arrays.get(f"{place}rest.scores"), arrays.get(f"{place}rest.order")
    return Vectors(room, near, asker, rest)


def _read_itself(
    told: dict[str, Any], folder: Path, place: str, room: Room, how: Opening
) -> Itself:
    arrays = Arrays(folder / "arrays")
    ranker = RANKERS.restore(folder / "rankers" / (place or "whole"), allow_code=how.allowed)
    for name in told["mapped"]:
        setattr(ranker, name, arrays.get(f"{place}{name}"))
    return Itself(room, ranker)


def _is_large(name: str, value: object) -> bool:
    return name.endswith("_") and isinstance(value, np.ndarray) and value.nbytes >= LARGE


def _put_rows(arrays: Arrays, name: str, matrix: sparse.csr_matrix) -> None:
    parts = forms.rows_of(matrix)
    for part, array in zip(("start", "column", "value"), parts, strict=True):
        arrays.put(f"{name}.{part}", array)


def _put_rest(arrays: Arrays, name: str, scores: np.ndarray) -> None:
    arrays.put(f"{name}.scores", scores)
    arrays.put(f"{name}.order", forms.by_score(scores))
