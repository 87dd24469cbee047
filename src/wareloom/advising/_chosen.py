"""What is chosen and proved: the best system, the one that a proof fits for, and the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from wareloom.advising import _facts as facts
from wareloom.advising._candidates import Made, generators
from wareloom.advising._data import Worked
from wareloom.advising._desk import Desk
from wareloom.advising._generators import Generators, Network, System
from wareloom.advising._halving import Rankers
from wareloom.advising._look import Look
from wareloom.advising._plan import seconds_of
from wareloom.advising._proving import prove_within, reached, system_of, to_prove
from wareloom.core.state import write_json
from wareloom.experiment.result import Proof, rounded
from wareloom.rankers import Ranker
from wareloom.report import write_report

DEFAULT = System("transitions", {})
"""The ranker that is kept where nothing can be told of any"""
SPARED = 0.35
"""Share of what is left that generators have at least, where stages before spared time"""
TO_CHOOSE = 0.6
"""Share of what is left that they have at most: a generator that is not proved helps nobody"""
AFTER, MOST = 1.5, 0.6
"""Fits of the best system for which time is kept back behind the proof, and the share of what is left that may be"""


@dataclass
class Chosen:
    """What the model is made of."""

    system: System
    made: Made
    proof: Proof | None = None
    """Where it says what the model is made of"""
    fitted: Ranker | None = None
    """The best system, fitted on the training part, where it was"""


def choose(
    worked: Worked, seen: Look, plan: Mapping[str, Any], desk: Desk, data: dict[str, Any]
) -> Chosen:
    """Choose a system and a generator on events before the test part, and prove what the generator adds.

    `data` takes what is told. Where no proof of the best system fits, a lighter one is proved, and that is said.
    """
    every = {one.label: one for one in generators(seen)}
    first = generators(seen, desk.clock.seconds)[0]
    found = desk.kept(
        "rankers",
        lambda: rounded(Rankers(worked, seen, desk, seconds_of(plan, "rankers")).run()),
    )
    desk.left_out |= found["left_out"]
    data["rankers"] = found
    if not found["label"]:
        data["rankers"]["label"] = DEFAULT.ranker
        return Chosen(DEFAULT, first)
    best = system_of(found)
    chosen = Chosen(System(best["ranker"], facts.tuples(best["settings"])), first)
    reserve = min(AFTER * best["seconds"], MOST * desk.clock.left) + 1.0
    one = desk.kept(
        "proves",
        lambda: to_prove(found, desk.clock.left - reserve, worked.shop.rows("events")),
    )
    data["proves"] = {key: one[key] for key in ("label", "ranker", "value", "seconds")}
    system = System(one["ranker"], facts.tuples(one["settings"]))
    free = max(0.0, desk.clock.left - reserve)
    given = min(max(seconds_of(plan, "generators"), SPARED * free), TO_CHOOSE * free)
    tried = desk.kept(
        "generators",
        lambda: rounded(
            Generators(worked, seen, system, desk, given).run(one["seconds"], network_of(found))
        ),
    )
    desk.left_out |= tried["left_out"]
    data["generators"] = tried if tried["label"] else None
    if not tried["label"]:
        desk.left_out["the proof"] = "no generator was tried"
    else:
        chosen.made = every[tried["label"]]
        _prove(worked, desk, data, (chosen, system), reserve)
    whole = data["proof"] is not None and data["way"]["share"] == 1
    if not whole or one["label"] != best["label"]:
        told = desk.tried(
            f"{found['label']} on the whole test part",
            desk.clock.left,
            lambda: reached(worked, chosen.system, desk, found["label"]),
        )
        if told is not None:
            data["reached"], chosen.fitted = told
    return chosen


def _prove(
    worked: Worked, desk: Desk, data: dict[str, Any], those: tuple[Chosen, System], reserve: float
) -> None:
    """Prove a generator for a system, write that down, and say what the model is made of."""
    chosen, system = those
    proved = prove_within(worked, system, chosen.made, data["generators"], desk, reserve)
    if proved is None:
        return
    proof, way = proved
    folder = desk.folder / "proof"
    folder.mkdir(exist_ok=True)
    write_json(folder / "proof.json", proof.data)
    write_report(proof, folder / "report.html")
    data["proof"], data["way"] = facts.of_proof(proof), asdict(way)
    if system == chosen.system:
        chosen.proof = proof
        return
    data["proves"]["takes over"] = takes_over(data)
    if data["proves"]["takes over"]:
        chosen.proof, chosen.system = proof, system


def takes_over(data: Mapping[str, Any]) -> bool:
    """Whether a lighter system with its synthetic shoppers was ahead of the best without, before the test part."""
    if data["proof"]["verdict"] not in ("helps", "helps, but"):
        return False
    told, best = data["generators"], system_of(data["rankers"])
    mine = [t for t in told["tried"] if t["label"] == told["label"] and t["ratio"] == told["ratio"]]
    if not mine or not mine[0]["real"]:
        return False
    return bool(data["proves"]["value"] * mine[0]["mixed"] / mine[0]["real"] > best["value"])


def network_of(found: Mapping[str, Any]) -> Network | None:
    """The best of the networks that were tried on all users; None where none was."""
    mine = [t for t in found["trials"] if t["label"].partition(" (")[0] == "sasrec"]
    if not mine:
        return None
    best = max(mine, key=lambda t: float(t["value"]))
    settings = facts.tuples(best["settings"])
    ranker = settings.pop("ranker", best["label"])
    return Network(best["label"], System(ranker, settings), best["fit"] + best["rank"])
