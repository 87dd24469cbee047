"""Advise: from a shop to its best system, with the proof of what synthesis adds, within the minutes given."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from wareloom._version import __version__
from wareloom.advising import _facts as facts
from wareloom.advising import _says as says
from wareloom.advising import _search_says as asking
from wareloom.advising._beside_proves import (
    RECIPE_DIALOGUES,
    RECIPE_PICTURES,
    lift_of_pictures,
    recipes,
)
from wareloom.advising._candidates import generators
from wareloom.advising._chosen import DEFAULT, Chosen, choose
from wareloom.advising._clock import Clock
from wareloom.advising._data import Worked, undone, work_on
from wareloom.advising._desk import WORK, Desk, peak
from wareloom.advising._leaving import leaving
from wareloom.advising._look import COPIED, Look, look
from wareloom.advising._plan import plan_of
from wareloom.advising._power import power_of
from wareloom.advising._recipe import keep, recipe_of, source_of
from wareloom.advising._search import FEW, SearchAdvice
from wareloom.advising.settings import AdviceSettings
from wareloom.core import notebook
from wareloom.core.files import landing, locked
from wareloom.core.run import Run
from wareloom.core.state import read_json, write_json, write_whole
from wareloom.errors import InputError, OutputError
from wareloom.experiment.result import rounded
from wareloom.report import write_report
from wareloom.report.advice import advice_page
from wareloom.shop import Shop

VERSION = 1
NAME = "advice.json"
OWN = (
    *(NAME, "advice.html", "recipe.toml", "recipe-search.toml", "log.txt"),
    *(RECIPE_PICTURES, RECIPE_DIALOGUES),
    *("proof", "proof-search", "bundle", "bundle-search", "shop"),
)
"""What is written to the folder"""
WORDLESS = (
    "The items have no texts that say what they are: a ranker of search has nothing to read. Read their titles, or ask "
    "for --for recommendation."
)
SEARCH_GIB = 1.5
"""Memory that search is reckoned to take"""
FOR_SEARCH = 0.5
"""Share of the minutes that search has where both are asked for"""
FOR_PICTURES = 0.05
"""Share of the minutes that pictures of new items may take"""
ATTACKING = 10.0
"""Seconds that must be left for attacks to be begun"""


@dataclass(frozen=True)
class Advice:
    """What was found; `data` is what `advice.json` holds."""

    data: dict[str, Any]
    folder: Path

    @property
    def answer(self) -> str:
        """ "synthesis helps", "distil", "leave it out", "no evidence", "too few to tell" or "not proved"."""
        return str(self.data["answer"])

    @property
    def bundle(self) -> Path | None:
        """The folder of the best system's model; None where there is none."""
        name = "bundle-search" if self.data["settings"]["job"] == "search" else "bundle"
        place = self.folder / name
        return place if place.exists() else None

    @classmethod
    def open(cls, folder: str | Path) -> Advice:
        """Read what `advise` wrote; raises `SourceError` where there is none."""
        return cls(read_json(Path(folder) / NAME), Path(folder))

    def __str__(self) -> str:
        return str(self.data["headline"])

    def __repr__(self) -> str:
        return notebook.line("Advice", str(self))


def advise(
    shop: Shop,
    settings: AdviceSettings,
    to: str | Path,
    run: Run | None = None,
    *,
    resume: bool = False,
    force: bool = False,
) -> Advice:
    """Find the best system of a shop and what synthesis adds to it, and write page, recipe and bundle to `to`.

    Rankers, then generators, are chosen by successive halving on events before the test part, which one proof reads at
    the end. What does not fit into the minutes is left out and named. A call that was stopped goes on with `resume`;
    what it spent counts. Figures of equal seeds differ only where the clock left out something else. Raises
    `InputError` for a shop with nothing to learn from.
    """
    run = run or Run()
    _check(shop)
    place = _free(Path(to), resume=resume, force=force)
    with locked(place):
        place.mkdir(parents=True, exist_ok=True)
        desk = _desk(shop, settings, place, run, resume=resume)
        with run.limits(), desk.shown():
            data = _Work(shop, settings, desk).done()
        if data["answer"] == says.UNPROVED:
            # With more minutes it goes on from here.
            _unfinished(desk, data)
        else:
            desk.clear()
    return Advice(data, place)


def planned(shop: Shop, settings: AdviceSettings, run: Run | None = None) -> dict[str, Any]:
    """Look at a shop, and return the plan: stages with seconds, and memory in GiB; nothing is written."""
    run = (run or Run()).with_(quiet=True)
    _check(shop)
    clock = Clock(settings.minutes * 60)
    seen = look(shop, settings.other_shops)
    asks = settings.job != "recommendation" and seen.has["texts"]
    part = FOR_SEARCH if settings.job == "both" else 1.0
    desk = Desk(Path(), run, clock)
    search = SearchAdvice(shop, desk, part * clock.left).plan() if asks else []
    if settings.job == "search":
        return _planned_search(shop, seen, search)
    if not seen.interactions:
        raise InputError(_nothing(shop))
    worked = work_on(shop, seen, settings, run, clock.busy)
    power = power_of(worked, seen, run)
    plan = plan_of(worked, seen, clock.left * (1 - FOR_SEARCH if asks else 1.0))
    if power["too_few"]:
        plan["stages"] = [s for s in plan["stages"] if s["stage"] == "bundle"]
    plan["stages"] += search
    return {"look": asdict(seen), "power": power, "worked": facts.worked(worked), **plan}


def _planned_search(shop: Shop, seen: Look, stages: list[dict[str, Any]]) -> dict[str, Any]:
    """The plan for search alone."""
    if not stages:
        raise InputError(WORDLESS)
    judged = (
        shop.scan("judgments").select(pl.col("query").n_unique())
        if shop.rows("judgments")
        else None
    )
    queries = 0 if judged is None else judged.collect().item()
    return {
        "look": asdict(seen),
        "power": {"requests": queries, "too_few": queries < FEW},
        "stages": stages,
        "memory_gib": SEARCH_GIB,
        "seconds": sum(stage["seconds"] for stage in stages),
    }


def _check(shop: Shop) -> None:
    if not shop.rows("items"):
        raise InputError(
            "The shop has no items: there is nothing to recommend. Read its catalogue."
            + _else(shop)
        )
    shop.verify()


def _nothing(shop: Shop) -> str:
    return (
        f"The shop has {shop.rows('items'):,} items and no event on one: there is no behaviour to learn from, or to "
        "judge by. Read a log of orders, carts or clicks, or ask for --for search where items have titles."
        + _else(shop)
    )


def _else(shop: Shop) -> str:
    """What can be proved of a shop whose log says nothing."""
    ways = (("images", "photos", "pictures"), ("dialogues", "dialogues", "dialogues"))
    return "".join(
        f" What its {what} teach is proved by `wareloom prove SHOP --of {kind}`."
        for table, what, kind in ways
        if shop.rows(table)
    )


def _free(to: Path, *, resume: bool, force: bool) -> Path:
    """The folder, where it may be written."""
    place = landing(to)
    if place.exists() and not place.is_dir():
        raise OutputError(f"{to} is a file; choose a folder for --to.")
    begun, whole = (place / WORK).is_dir(), (place / NAME).is_file()
    said = "is not proved yet" if whole else "was stopped"
    if place.is_dir() and any(place.iterdir()) and not (begun or whole):
        raise OutputError(f"{to} is not empty and holds no advice; choose another folder for --to.")
    if begun and not (resume or force):
        raise OutputError(f"{to} holds advice that {said}: pass --resume to go on with it.")
    if whole and not begun and not force:
        raise OutputError(
            f"{to} holds advice already: choose another folder for --to, or pass --force to replace it."
        )
    return place


def _desk(shop: Shop, settings: AdviceSettings, place: Path, run: Run, *, resume: bool) -> Desk:
    """The desk, cleared unless the same work goes on."""
    asked = {name: value for name, value in asdict(settings).items() if name != "minutes"}
    told = json.dumps([__version__, shop.fingerprint, asked, run.seed], default=str)
    key = {"key": hashlib.sha256(told.encode()).hexdigest()}
    path = place / WORK / "asked.json"
    spent = 0.0
    desk = Desk(place, run, Clock(settings.minutes * 60))
    if resume and path.is_file() and read_json(path) == key:
        if (place / WORK / "spent.json").is_file():
            spent = float(read_json(place / WORK / "spent.json")["seconds"])
    else:
        desk.clear()
        for name in OWN:
            _removed(place / name)
        write_whole(path, key)
    desk.clock = Clock(settings.minutes * 60, spent)
    return desk


def _unfinished(desk: Desk, data: Mapping[str, Any]) -> None:
    """Forget the stages that came to nothing, so that a call with more minutes does them."""
    whole = data["rankers"].get("share") == 1
    if not whole or not (data["generators"] or {}).get("label"):
        for name in ("generators", "proves", "search-written"):
            (desk.work / f"{name}.json").unlink(missing_ok=True)
    if not whole:
        (desk.work / "rankers.json").unlink(missing_ok=True)
    desk.note()


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class _Work:
    """The stages of one piece of advice."""

    def __init__(self, shop: Shop, settings: AdviceSettings, desk: Desk) -> None:
        self.shop, self.settings, self.desk, self.run = shop, settings, desk, desk.run
        self.data: dict[str, Any] = {
            "version": VERSION,
            "shop": {"meta": shop.meta, "fingerprint": shop.fingerprint},
            "settings": asdict(settings),
            "seed": desk.run.seed,
        }

    def done(self) -> dict[str, Any]:
        """Do all stages; returns what `advice.json` holds."""
        desk, data = self.desk, self.data
        desk.say("look")
        seen = Look(**desk.kept("look", lambda: asdict(look(self.shop, self.settings.other_shops))))
        data |= {"look": asdict(seen), "rankers": {"trials": []}, "generators": None, "proof": None}
        data["reached"] = None
        if self.settings.job == "search":
            return self._search_alone(seen)
        if not seen.interactions:
            raise InputError(_nothing(self.shop))
        whole = desk.clock.seconds
        if self.settings.job == "both":
            desk.clock.seconds = whole - FOR_SEARCH * (whole - desk.clock.spent)
        run = self.run.with_(quiet=True)
        worked = work_on(self.shop, seen, self.settings, run, **desk.kept("busy", desk.busy))
        power = desk.kept("power", lambda: rounded(power_of(worked, seen, run)))
        data |= {"worked": facts.worked(worked), "power": power}
        # With other minutes there is another plan; what is done already stays.
        name = f"plan-{self.settings.minutes:g}"
        plan = desk.kept(name, lambda: plan_of(worked, seen, desk.clock.left))
        data["plan"] = plan
        chosen = Chosen(DEFAULT, generators(seen, desk.clock.seconds)[0])
        if not power["too_few"]:
            chosen = choose(worked, seen, plan, desk, data)
        else:
            data["rankers"] |= {"label": DEFAULT.ranker}
        self._pictured(worked, seen)
        self._model(worked, seen, chosen)
        if self.settings.job == "both":
            desk.clock.seconds = whole
            self._search(desk.clock.left)
        self._page()
        return data

    def _search_alone(self, seen: Look) -> dict[str, Any]:
        """Advise on search and nothing else."""
        desk, data = self.desk, self.data
        if not seen.has["texts"]:
            raise InputError(WORDLESS)
        stage = {
            "stage": "search",
            "seconds": desk.clock.left,
            "does": "rankers of search, then one proof",
        }
        data["plan"] = {"stages": [stage], "seconds": desk.clock.left, "memory_gib": SEARCH_GIB}
        self._search(desk.clock.left)
        found = data["search"]
        data["answer"], data["headline"] = asking.answer(found), asking.headline(found)
        data["next"] = asking.steps(found)
        told = [("search", asking.sentences(found)[1:]), *says.beside(data)]
        data["sections"] = [{"about": about, "sentences": said} for about, said in told if said]
        self._page()
        return data

    def _search(self, seconds: float) -> None:
        """Rankers of search; model and recipe beside those of recommendation."""
        desk, data = self.desk, self.data
        if not data["look"]["has"]["texts"]:
            data["search_says"] = [
                "The items have no texts: a ranker of search has nothing to read."
            ]
            return
        found = SearchAdvice(self.shop, desk, seconds).run()
        proof, recipe = found.pop("of_proof", None), found.pop("recipe", None)
        if proof is not None:
            folder = desk.folder / "proof-search"
            folder.mkdir(exist_ok=True)
            write_json(folder / "proof.json", proof.data)
            write_report(proof, folder / "report.html")
            found["proof"] = facts.of_proof(proof)
        if recipe is not None:
            source = source_of(self.shop, None, desk.folder)
            whole = replace(recipe, read=replace(recipe.read, source=str(source)))
            (desk.folder / "recipe-search.toml").write_text(whole.toml(), encoding="utf-8")
        data["search"] = found
        data["search_says"] = asking.sentences(found)

    def _pictured(self, worked: Worked, seen: Look) -> None:
        """Whether pictures lift new items, where any item has a photo and somebody who chose it."""
        desk = self.desk
        if not (seen.photos.get("items_shown_and_had") and seen.has["times"]):
            return
        desk.say("pictures of new items")
        run = self.run.with_(quiet=True)
        self.data["pictures_lift"] = desk.tried(
            "pictures of new items",
            FOR_PICTURES * desk.clock.seconds,
            lambda: desk.kept("pictures", lambda: rounded(lift_of_pictures(worked, run))),
        )

    def _model(self, worked: Worked, seen: Look, chosen: Chosen) -> None:
        """Recipe, bundle and attacks."""
        desk, data, system, made = self.desk, self.data, chosen.system, chosen.made
        touched = seen.sorted_by_item in ("days", "file") or seen.copied > COPIED
        mended = undone(self.shop, seen, self.run) if touched else None
        source = source_of(self.shop, mended, desk.folder)
        ratio = (data["generators"] or {}).get("ratio")
        recipe = recipe_of(source, worked, system, made, ratio, self.run.seed)
        (desk.folder / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
        desk.say(f"bundle of {data['rankers'].get('label') or system.ranker}")
        keep(worked, chosen, recipe, desk, facts.seconds_of(data["rankers"]))
        data["leaving"] = None
        if not data["power"]["too_few"] and desk.clock.left > ATTACKING:
            desk.say("attacks")
            data["leaving"] = desk.tried(
                "attacks",
                desk.clock.left,
                lambda: leaving(worked.before, made, self.run.with_(quiet=True)),
            )

    def _page(self) -> None:
        """Say what was found, and write it down."""
        desk, data = self.desk, self.data
        data["left_out"] = dict(desk.left_out)
        for name, recipe in recipes(data["look"], source_of(self.shop, None, desk.folder)).items():
            (desk.folder / name).write_text(recipe, encoding="utf-8")
        data["took"] = {"minutes": desk.clock.spent / 60, "memory_gib": peak()}
        if self.settings.job == "search":
            left = [f"{name}: {why}." for name, why in data["left_out"].items()]
            data["sections"] += [{"about": "left_out", "sentences": left}] if left else []
        else:
            data["answer"] = says.answer(data)
            data["took"] |= {"full_minutes": facts.full(data), "way": facts.way(data)}
            data["headline"] = says.headline(data)
            data["next"] = says.steps(data)
            data["sections"] = says.sections(data)
        write_json(desk.folder / NAME, rounded(data))
        (desk.folder / "advice.html").write_text(advice_page(data), encoding="utf-8")
