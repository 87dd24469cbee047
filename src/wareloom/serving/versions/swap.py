"""Publishing with a smaller encoder of queries: put in the place of the whole one where it answers as well."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from wareloom.core.state import read_json
from wareloom.errors import InputError, SourceError
from wareloom.rankers import Ranker
from wareloom.serving.vectors.encode import HEAD, MODEL, WORDS, Encoder
from wareloom.serving.vectors.judge import Judge, Verdict, check
from wareloom.serving.versions.published import ENCODERS
from wareloom.shop import Shop

FILES = (MODEL, WORDS, HEAD)


def swap_encoder(served: Path, ranker: Ranker, named: str, judged: Shop | None) -> Verdict:
    """Put the encoder `named`, int8 or the folder of a variant, in the place of that of a published ranker.

    Raises `InputError` where the ranker has none, or where the other one loses more than 1 % of nDCG@10 on `judged`, or
    of the ten best items where that is None; `SourceError` for a folder that is no variant.
    """
    place = served / ENCODERS / "whole"
    if not place.is_dir():
        raise InputError(
            f"{ranker.name!r} reads no query by an encoder: publish without --encoder {named}."
        )
    own: Any = ranker
    judge = Judge.of(own.items_, own.vectors_, judged, own.names_.to_list())
    before = judge.best(Encoder(place).read)
    other = served / f"{ENCODERS}.other"
    if named == "int8":
        from wareloom.serving.vectors.export import write_small

        write_small(place, other)
    else:
        _copy(Path(named), other, read_json(place / HEAD)["size"])
    verdict = judge.verdict(before, judge.best(Encoder(other).read))
    check(verdict, repr(named))
    shutil.rmtree(place)
    other.rename(place)
    return verdict


def _copy(source: Path, to: Path, size: int) -> None:
    """Copy a variant's files, no links; raises `SourceError` where it is none, or speaks of other vectors."""
    for name in FILES:
        if (source / name).is_symlink() or not (source / name).is_file():
            raise SourceError(
                f"{source} is no encoder: it has no {name}. Give f32, int8, or a folder that wareloom compress wrote, "
                "such as small/int8."
            )
    told = read_json(source / HEAD)
    if not isinstance(told, dict) or told.get("size") != size:
        raise SourceError(
            f"{source} gives vectors of {told.get('size') if isinstance(told, dict) else '?'} numbers, the items have "
            f"{size}: it was made of another bundle. Compress this one."
        )
    to.mkdir()
    for name in FILES:
        shutil.copyfile(source / name, to / name)
