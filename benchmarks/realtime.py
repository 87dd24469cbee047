"""Real-time synthesis: does writing short sessions on lift a ranker, against what, and at what cost?

    python benchmarks/realtime.py [--json FILE] [--data yoochoose100k completejourney] [--only lift cost]

A ranker answers sessions of one to three events; the next event on an item that the session has not had is the answer
wanted. A generator that was fitted to the same training part writes each session on eight times, and the ranker's
answers over these are averaged with its own: by the very code that serves. Beside it stand (a) the ranker alone, (b)
the generator's own next-item probabilities as a ranker, (c) the ranker with the history repeated, and as an adversary
(d) continuations that are drawn by popularity, which say nothing of the session. How many events are written, what
they weigh, and how often a history is repeated, is chosen on validation sessions by NDCG@10; the test sessions are
read once. Intervals: 95 % percentiles of a paired bootstrap over sessions; *beats all* asks for the lower end at 95 %
over all pairs of ranker and generator together (Bonferroni). Split by time, 8 : 1 : 1. Complete Journey:
weeks 1 to 8, a basket is a session, in the order of its rows; sessions are drawn where there are more than asked for.

Cost: processor time of a whole answer of `POST /recommend` (application without a socket) at eight draws, of openings
that nobody had before and of such that are kept, beside the plain answer.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, data, machine, write_rows
from wareloom.bundle import ProofNote, write_bundle
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.preparing.splits import SplitSettings, split
from wareloom.readers import read
from wareloom.serving.config import Settings
from wareloom.serving.forms.base import NO_ONE, Asked
from wareloom.serving.forms.realtime import Drawn, Onward, Realtime
from wareloom.serving.versions.publish import How, publish
from wareloom.serving.versions.published import Served, write_served
from wareloom.serving.web.app import Application
from wareloom.shop import Shop

TITLES = {"yoochoose100k": "YooChoose", "completejourney": "Complete Journey"}
RANKED = {
    "yoochoose100k": ("transitions", "item_knn", "sasrec"),
    "completejourney": ("transitions", "item_knn", "stack"),
}
"""YooChoose has no texts, so that a stack is transitions alone there"""
MEMBERS = {"members": ("transitions", "item_knn")}
"""Of stack and teacher: both know behaviour alone, as the other rankers here do"""
SETTINGS: dict[str, Any] = {"sasrec": {"epochs": 5}, "stack": MEMBERS}
GIVES_IDS = "transitions"
GENERATORS = ("markov", "teacher")
DRAWS, K, SHORT = 8, 10, 3
LENGTHS, SHARES, REPEATS = (1, 3), (0.1, 0.25, 0.5), (2, 3)
MOST = {"validation": 600, "test": 2500}
"""Sessions that are asked about"""
SLOWER = ("sasrec",)
"""Rankers whose validation takes half of the sessions"""
REPLICATES, FRESH = 4000, 600
PAIRS = len(GENERATORS) * sum(map(len, RANKED.values()))
NOTE = ProofNote("p", "helps", "For a benchmark.", "ndcg@10", 0.1, 0.05, 0.15)
Row = dict[str, Any]


@dataclass
class Questions:
    """Openings of sessions, the item that came next, and of which session each is."""

    openings: list[np.ndarray]
    wanted: np.ndarray
    session: np.ndarray


def questions(part: Shop, served: Served, most: int, seed: int) -> Questions:
    """All openings of one to three events of at most so many sessions, drawn at random where there are more."""
    events = part.table("events").filter(pl.col("event").is_in(["view_item", "purchase"]))
    order = ["session_id", "time"] if "time" in events.columns else ["session_id"]
    events = events.sort(order, maintain_order=True)
    codes = served.ids.codes(events["item_id"].to_list())
    name = events["session_id"].rle_id().to_numpy()
    found = Questions([], np.zeros(0, int), np.zeros(0, int))
    wanted, session = [], []
    cuts = np.flatnonzero(np.diff(name, prepend=-1))
    parts = np.split(codes, cuts[1:])
    for number in np.random.default_rng(seed).permutation(len(parts)):
        own = parts[number][parts[number] >= 0]
        own = own[np.diff(own, prepend=-1) != 0]
        asked = 0
        for n in range(1, min(SHORT, len(own) - 1) + 1):
            if own[n] not in own[:n]:
                found.openings.append(own[:n].astype(np.int32))
                wanted.append(own[n])
                session.append(number)
                asked += 1
        most -= asked > 0
        if most <= 0:
            break
    return replace(found, wanted=np.array(wanted), session=np.array(session))


def gain(codes: np.ndarray, wanted: int) -> float:
    """NDCG@10 with one item wanted."""
    place = np.flatnonzero(codes[:K] == wanted)
    return float(1 / np.log2(place[0] + 2)) if len(place) else 0.0


def asked_by(served: Served, asked: Questions, ways: Any) -> np.ndarray:
    """NDCG@10 of each question, where `ways(n, opening)` says what the ranker is asked: [questions]."""
    found = np.empty(len(asked.wanted))
    for n, opening in enumerate(asked.openings):
        codes, _ = served.form.best(ways(n, opening), K, opening, NO_ONE)
        found[n] = gain(codes, asked.wanted[n])
    return found


class Bed:
    """A data set with its parts, rankers as they are served, generators, and questions."""

    def __init__(self, name: str, folder: Path) -> None:
        source: Any = name if name == "completejourney" else str(data(name))
        how = {"last_week": 8} if name == "completejourney" else None
        shop = read(source, to=folder / name, settings=how, run=Run(quiet=True))
        self.run = Run(seed=0, threads=1, quiet=True)
        self.train, valid, test = (
            part.in_memory() for part in split(shop, SplitSettings(parts=(8, 1, 1)))
        )
        self.served: dict[str, Served] = {}
        for ranker in RANKED[name]:
            made = RANKERS.make(ranker, **SETTINGS.get(ranker, {})).fit(self.train, self.run)
            write_served(made, folder / f"{name}-{ranker}")
            self.served[ranker] = Served.open(folder / f"{name}-{ranker}")
        self.made = {
            g: SYNTHESIZERS.make(g, structure="chain").fit(self.train, self.run) for g in GENERATORS
        }
        one = self.served[GIVES_IDS]
        self.valid = questions(valid, one, MOST["validation"], 1)
        self.few = questions(valid, one, MOST["validation"] // 2, 1)
        self.test = questions(test, one, MOST["test"], 2)
        self.popular = _shares(self.train, one)

    def realtime(self, generator: str, length: int, share: float) -> Realtime:
        told = {"draws": DRAWS, "length": length, "events": SHORT, "share": share}
        return Realtime(self.made[generator], told, self.served[GIVES_IDS].ids, b"benchmark")


def _shares(train: Shop, served: Served) -> np.ndarray:
    codes = served.ids.codes(train.table("events")["item_id"].drop_nulls().to_list())
    counts = np.bincount(codes[codes >= 0], minlength=len(served)).astype(float)
    return counts / counts.sum()


def own_probabilities(bed: Bed, generator: str, asked: Questions) -> np.ndarray:
    """(b): NDCG@10 of the generator as a ranker of the next item.

    A chain's probabilities are read off its tables; a teacher draws among the best of its ensemble by a power of the
    score, so that the ensemble's order is that of the probabilities.
    """
    made: Any = bed.made[generator]
    theirs = bed.served[GIVES_IDS].ids.codes(made.catalogue_["item_id"].to_list())
    found = np.empty(len(asked.wanted))
    if generator == "teacher":
        with tempfile.TemporaryDirectory() as place:
            write_served(made.as_ranker(), Path(place) / "own")
            return asked_by(Served.open(Path(place) / "own"), asked, lambda n, o: Asked(o))
    model, ours = made._model(), np.full(theirs.max() + 1, -1)
    ours[theirs] = np.arange(len(theirs))
    popular = _row(model.popular, 0, len(theirs))
    for n, opening in enumerate(asked.openings):
        last = ours[opening[-1]]
        back = float(model.backoff[last])
        chance = (1 - back) * _row(model.follow, last, len(theirs)) + back * popular
        chance[ours[opening]] = -1
        best = np.argpartition(-chance, K)[: K + 1]
        best = best[np.lexsort((best, -chance[best]))]
        found[n] = gain(theirs[best], asked.wanted[n])
    return found


def _row(table: Any, row: int, items: int) -> np.ndarray:
    """The probabilities of one row of alias tables."""
    a, b = table.indptr[row], table.indptr[row + 1]
    chance = np.zeros(items)
    if b > a:
        np.add.at(chance, table.value[a:b], table.accept[a:b])
        np.add.at(chance, table.value[a + table.alias[a:b]], 1.0 - table.accept[a:b])
        chance /= b - a
    return chance


def onward(real: Realtime) -> Any:
    return lambda n, opening: Asked(opening, onward=real.onward(opening))


def drawn_blindly(bed: Bed, length: int, share: float) -> Any:
    """(d): continuations by popularity."""
    rng = np.random.default_rng(3)
    pool = rng.choice(len(bed.popular), size=(997, DRAWS, length), p=bed.popular).astype(np.int32)
    return lambda n, opening: Asked(opening, onward=Drawn(pool[n % 997], share, "popularity"))


def repeated(times: int) -> Any:
    return lambda n, opening: Asked(np.tile(opening, times))


def lift(name: str, folder: Path) -> list[Row]:
    """Choose on validation sessions, read the test sessions once."""
    bed, rows = Bed(name, folder), []
    own = {g: own_probabilities(bed, g, bed.test) for g in GENERATORS}
    for ranker in RANKED[name]:
        served, valid = bed.served[ranker], bed.few if ranker in SLOWER else bed.valid
        plain = asked_by(served, bed.test, lambda n, o: Asked(o))
        times = max(REPEATS, key=lambda t: asked_by(served, valid, repeated(t)).mean())
        again = asked_by(served, bed.test, repeated(times))
        plain_valid = asked_by(served, valid, lambda n, o: Asked(o)).mean()
        for generator in GENERATORS:
            tried = {
                (length, share): float(
                    asked_by(served, valid, onward(bed.realtime(generator, length, share))).mean()
                )
                for length in LENGTHS
                for share in SHARES
            }
            (length, share), best = max(tried.items(), key=lambda one: one[1])
            mine = asked_by(served, bed.test, onward(bed.realtime(generator, length, share)))
            blind = asked_by(served, bed.test, drawn_blindly(bed, length, share))
            limits = {
                "ranker alone": plain,
                "generator alone": own[generator],
                "history repeated": again,
                "blind draws": blind,
            }
            row: Row = {
                "part": "lift",
                "data": TITLES[name],
                "ranker": ranker,
                "generator": generator,
                "length": length,
                "share": share,
                "times": times,
                "validation": [float(plain_valid), best],
                "sessions": len(set(bed.test.session.tolist())),
                "questions": len(mine),
                "ndcg": float(mine.mean()),
                "beside": {
                    what: {"ndcg": float(one.mean()), **paired(mine, one, bed.test.session)}
                    for what, one in limits.items()
                },
            }
            # Twelve pairs are asked: by chance alone one of them might be above all at 95 % each.
            row["beats_all"] = all(one["least"] > 0 for one in row["beside"].values())
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def paired(mine: np.ndarray, other: np.ndarray, session: np.ndarray) -> dict[str, float]:
    """The difference of the means relative to the other's, with its interval over sessions."""
    _, code = np.unique(session, return_inverse=True)
    n = code.max() + 1
    a, b, size = (np.bincount(code, weights, n) for weights in (mine, other, np.ones(len(code))))
    rng, found = np.random.default_rng(0), []
    for _ in range(REPLICATES):
        taken = rng.integers(0, n, n)
        found.append((a[taken].sum() - b[taken].sum()) / size[taken].sum())
    low, high, least = np.percentile(found, [2.5, 97.5, 2.5 / PAIRS])
    return {
        "difference": float(mine.mean() - other.mean()),
        "low": float(low),
        "high": float(high),
        "least": float(least),
    }


def cost(folder: Path) -> list[Row]:
    """Processor time of whole answers, of openings nobody had before and of kept ones, beside the plain ones."""
    shop = read(str(data("yoochoose100k")), to=folder / "cost", run=Run(quiet=True))
    shop.in_memory()
    rows = []
    for ranker in ("transitions", "item_knn", "sasrec"):
        # What it has learned changes nothing of what it costs.
        settings = {"epochs": 1} if ranker in SETTINGS else {}
        run = Run(seed=0, threads=1, quiet=True)
        made = RANKERS.make(ranker, **settings).fit(shop.in_memory(), run)
        bundle = folder / f"bundle-{ranker}"
        write_bundle(bundle, ranker=made, shop=shop, recipe={}, choice={}, proof=NOTE, seed=0)
        publish(bundle, folder / f"plain-{ranker}", "home")
        plain = _answers(folder / f"plain-{ranker}")
        for generator in GENERATORS:
            place = folder / f"{generator}-{ranker}"
            how = Onward(
                generator=generator, shop=str(folder / "cost"), draws=DRAWS, length=1, share=0.25
            )
            publish(bundle, place, "home", how=How(onward=how))
            fresh = _answers(place, forget=True)
            kept = _answers(place)
            rows.append(
                {
                    "part": "cost",
                    "ranker": ranker,
                    "generator": generator,
                    "plain_ms": plain * 1e3,
                    "fresh_ms": fresh * 1e3,
                    "kept_ms": kept * 1e3,
                    "ratio": fresh / plain,
                    "kept_ratio": kept / plain,
                    "bar": 5.0,
                    "held": fresh <= 5 * plain,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    return rows


def _answers(store: Path, *, forget: bool = False) -> float:
    """Least processor seconds of `POST /recommend` over turns; `forget`: no opening is kept between two."""
    app = Application(Settings(store=store))
    version = app.slots.live("home")
    ids = [version.served.ids.text(c) for c in range(len(version.served))]
    rng = np.random.default_rng(4)
    bodies = [
        json.dumps({"history": [ids[i] for i in rng.integers(0, len(ids), 2)]}).encode()
        for _ in range(FRESH)
    ]
    real = version.served.realtime
    if forget and real is not None:
        return timed(app, "/recommend", bodies, real._kept.clear)
    return timed(app, "/recommend", bodies)


def timed(
    app: Application, path: str, bodies: list[bytes], before: Callable[[], None] | None = None
) -> float:
    """Least processor seconds of a request over turns, without a socket."""

    async def once(body: bytes) -> None:
        if before is not None:
            before()
        scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            assert message.get("status", 200) == 200

        await app(scope, receive, send)

    async def work() -> float:
        found = []
        for _ in range(4):
            begun = time.process_time()
            for body in bodies:
                await once(body)
            found.append((time.process_time() - begun) / len(bodies))
        return min(found[1:])

    return asyncio.run(work())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", nargs="+", default=list(TITLES), choices=list(TITLES))
    parser.add_argument("--only", nargs="+", default=["lift", "cost"], choices=["lift", "cost"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if "lift" in chosen.only:
            for name in chosen.data:
                written(lift(name, Path(scratch)), chosen)
        if "cost" in chosen.only:
            written(cost(Path(scratch)), chosen)


def written(rows: list[Row], chosen: Any) -> None:
    """Write what is finished, so that no part is lost with a later one."""
    write_rows(
        chosen.json,
        "realtime",
        machine(chosen.note),
        rows,
        ("lift", "cost"),
        lambda row: (row["part"], row.get("data")),
        draws=DRAWS,
    )


if __name__ == "__main__":
    main()
