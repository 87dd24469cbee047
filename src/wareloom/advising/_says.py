"""What the page says, in plain sentences: each of a finding that stands in the same piece of advice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.advising._beside_says import of_dialogues, of_photos
from wareloom.advising._distil_says import of_distilling
from wareloom.advising._facts import lift, proved, value_of
from wareloom.advising._look_says import of_shop
from wareloom.advising._power import BLIND
from wareloom.experiment.plan import MIXED, REAL, TEACHER
from wareloom.proof.decide import listed, name_of, signed

Data = Mapping[str, Any]
HELPS, DISTIL, OUT, NOTHING, FEW, UNPROVED = (
    "synthesis helps",
    "distil",
    "leave it out",
    "no evidence",
    "too few to tell",
    "not proved",
)


def answer(data: Data) -> str:
    """The one word of it all."""
    if data["power"]["too_few"]:
        return FEW
    proof = data.get("proof")
    if not proof:
        return UNPROVED
    verdict = proof["verdict"]
    if verdict in ("helps", "helps, but"):
        if proved(data) != data["rankers"]["label"] and not data["proves"].get("takes over"):
            return NOTHING
        rows = (proof["rows"] or {}).get("verdict", "rows help")
        better = (proof["against"].get(TEACHER) or {}).get("verdict") == "hurts"
        # What other shops teach is in their logs, which may not travel where their shoppers' likenesses may.
        distils = better and not data["generators"]["world"]
        return HELPS if rows == "rows help" and not distils else DISTIL
    if verdict == "hurts":
        return OUT
    if _blind(proof):
        return UNPROVED
    return DISTIL if _known_already(data) else NOTHING


def _blind(proof: Data) -> bool:
    """Whether a proof could tell nothing but a very large lift, so that it says nothing of a smaller one."""
    least = proof["power"]["detectable_lift"]
    return least is None or least > BLIND


def _known_already(data: Data) -> bool:
    """Whether the generator's knowledge lifts a light ranker, and the best system has it without a synthetic row."""
    light = (data.get("generators") or {}).get("light") or {}
    if not light or not light["real"]:
        return False
    gained = light["mixed"] / light["real"] - 1 > 0.05
    system = value_of(data, proved(data))
    return bool(gained and system is not None and system >= light["mixed"])


def headline(data: Data) -> str:
    """The page's first sentence."""
    power, system = data["power"], data["rankers"].get("label", "")
    if data["answer"] == FEW:
        needed = power["needed"]
        more = (
            f" A lift of {power['wanted']:.0%} would take about {needed:,} shoppers."
            if needed
            else " How many it would take cannot be reckoned from so few."
        )
        return f"Too few to tell: {power['requests']:,} shoppers can be asked.{more}"
    if data["answer"] == UNPROVED and data.get("proof"):
        return (
            f"The best system found is {system}. The proof that fitted into these minutes asked too few shoppers to "
            "say what synthesis adds to it."
        )
    if data["answer"] == UNPROVED:
        return f"The best system found is {system}. What synthesis adds to it was not proved in these minutes."
    proof = data["proof"]
    size = f"{proof['metric']} {lift(proof['decisive'])} against {proof['decisive']['against']}"
    of = proved(data)
    nothing = f"No evidence that synthetic shoppers add to {'it' if of == system else of}: {size}."
    if proof["verdict"] in ("helps", "helps, but"):
        nothing = f"Synthetic shoppers help {of}, which is lighter, but do not bring it past that: {size}."
    said = {
        HELPS: f"Synthetic shoppers help {of}: {size}.",
        DISTIL: f"Distil, do not synthesise: {_why_distil(data)}",
        OUT: f"Leave synthetic shoppers out: they take away from {of}, {size}.",
        NOTHING: f"Take {system} on real data alone. {nothing}",
    }
    return said[data["answer"]]


def _why_distil(data: Data) -> str:
    proof, system = data["proof"], proved(data)
    if proof["verdict"] in ("helps", "helps, but"):
        if proof["rows"]:
            return str(proof["rows"]["sentence"])
        return "the generator itself as a ranker reaches more than its shoppers teach."
    return (
        f"{system} has the same knowledge without a synthetic row. Synthetic shoppers add {lift(proof['decisive'])} "
        "to it."
    )


def sections(data: Data) -> list[dict[str, Any]]:
    """The page's sections: what each is about, by its key in `sentences/advice.toml`, and its sentences."""
    made = [
        ("has", of_shop(data)),
        *beside(data),
        ("without", _without(data)),
        ("adds", _adds(data)),
        ("distils", of_distilling(data)),
        ("worse", _worse(data)),
        ("untold", _untold(data)),
        ("wanted", _wanted(data)),
        ("cost", _cost(data)),
        ("leaves", _leaves(data)),
        ("search", data.get("search_says") or []),
        ("left_out", [f"{name}: {why}." for name, why in data["left_out"].items()]),
    ]
    return [{"about": about, "sentences": said} for about, said in made if said]


def beside(data: Data) -> list[tuple[str, list[str]]]:
    """The sections of what lies beside the log."""
    look = data["look"]
    return [
        ("photos", of_photos(look, data.get("pictures_lift"))),
        ("dialogues", of_dialogues(look)),
    ]


def _without(data: Data) -> list[str]:
    rankers, label = data["rankers"], data["rankers"].get("label", "")
    if not label:
        return ["No ranker could be tried in these minutes."]
    said = []
    proof = data.get("proof")
    if proof:
        real = proof["means"][REAL]
        whole = data["way"]["share"] == 1
        where = "the test part" if whole else "the proof's share of the test part"
        said.append(
            f"{proved(data)} reaches {proof['metric']} {real:.4f} on {where}, on real data alone."
        )
    if data["reached"] is not None:
        said.append(f"{label} reaches ndcg@10 {data['reached']:.4f} on the whole test part.")
    if proof and proved(data) != label:
        said.append(
            f"The proof is of {proved(data)}: one of {label} did not fit into these minutes. The recipe proves {label}."
        )
    if label.startswith("ensemble"):
        members = listed([str(name) for name in rankers["settings"]["members"]])
        said.append(f"It adds up {members}, with weights learned on held-out events.")
    values = {t["label"]: t["value"] for t in rankers["trials"] if t["share"] == rankers["share"]}
    shown = sorted(values.items(), key=lambda pair: -pair[1])
    if shown:
        each = ", ".join(f"{name} {value:.4f}" for name, value in shown)
        some = "" if rankers["share"] == 1 else f", of {rankers['share']:.0%} of the users"
        said.append(f"Chosen on events before the test part{some}, by ndcg@10: {each}.")
    over = rankers.get("over_popularity")
    if over and (label == "popularity" or over["low"] <= 0):
        said.append(
            "No ranker is told from popularity: the log says little of what a shopper wants next."
        )
    return said


def _adds(data: Data) -> list[str]:
    proof = data.get("proof")
    if data["answer"] == FEW:
        return ["With so few shoppers this says nothing of any generator. None was tried."]
    if not proof:
        return ["It was not proved. The recipe does that at full strength."]
    knows = data["generators"]["knows"]
    said = [
        f"The generator {data['generators']['label']}, which knows {knows}, was chosen before the test part was read.",
        f"With its shoppers the system reaches {proof['means'][MIXED]:.4f}, {lift(proof['real'])} over real data "
        "alone.",
        f"The decisive control is {proof['decisive']['against']}: {lift(proof['decisive'])}, "
        f"p = {proof['decisive']['p']:.2g}. {proof['sentence']}",
    ]
    rows = proof["rows"]
    if rows:
        said.append(str(rows["sentence"]))
    return said


def _worse(data: Data) -> list[str]:
    proof = data.get("proof")
    if not proof:
        return []
    guard = proof["guard"]
    if guard["falls"]:
        named = [f"{name_of(f['slice'])} ({signed(f['lift'])})" for f in guard["falls"]]
        return [f"With synthetic shoppers these are served worse: {listed(named)}."]
    if guard["not_excluded"]:
        named = [
            f"{name_of(f['slice'])} (down to {signed(f['lift_low'])})"
            for f in guard["not_excluded"]
        ]
        return [f"Nobody was found to be served worse. A fall is not excluded for {listed(named)}."]
    return ["Nobody was found to be served worse with synthetic shoppers."]


def _untold(data: Data) -> list[str]:
    power, proof = data["power"], data.get("proof")
    row = proof["power"] if proof else None
    if row and row["detectable_lift"] is not None:
        said = [
            f"With {row['requests']:,} shoppers asked, a lift below {row['detectable_lift']:.1%} is missed by one "
            "proof in five or more."
        ]
        if (row["requests_needed"] or 0) > row["requests"]:
            said.append(
                f"To show the lift that was observed takes {row['requests_needed']:,} shoppers."
            )
        return said
    if power["detectable_lift"] is None:
        return [
            f"{power['requests']:,} shoppers can be asked, and nothing they did was foreseen by any ranker."
        ]
    said = [
        f"{power['requests']:,} shoppers can be asked before the test part. Two rankers are told apart from a "
        f"difference of {power['detectable_lift']:.0%} on."
    ]
    if power["needed"]:
        said.append(
            f"A lift of {power['wanted']:.0%} would take about {power['needed']:,} shoppers."
        )
    return said


def _wanted(data: Data) -> list[str]:
    look, power = data["look"], data["power"]
    has, said = look["has"], []
    few = power["too_few"] or (power["detectable_lift"] or 0) > 0.1
    if few and power["needed"] and data["answer"] != HELPS:
        said.append(
            f"More shoppers first: about {power['needed']:,} instead of {power['requests']:,}."
        )
    if not has["texts"]:
        said.append(
            "Titles of the products: rankers that read them serve what nobody has chosen yet."
        )
    if not has["times"]:
        said.append("Times of the events: without them nothing is known of order and season.")
    if not has["exposures"]:
        said.append(
            "What was shown, not only what was chosen: without it a click cannot be told from a place."
        )
    if not has["queries"] and data["settings"]["job"] != "recommendation":
        said.append("The queries that shoppers typed.")
    if not look["others"] and has["texts"]:
        said.append(
            "A log of another shop with like products: what no member of the system knows is what synthesis lifts by."
        )
    return said


def _cost(data: Data) -> list[str]:
    took = data["took"]
    if data["answer"] == FEW:
        return ["No computing makes up for shoppers that are not there."]
    said = [f"This took {took['minutes']:.1f} minutes and at most {took['memory_gib']:.1f} GiB."]
    if took.get("full_minutes"):
        said.append(
            "The recipe repeats the proof on all users with 3 seeds, in about "
            f"{max(1, took['full_minutes']):.0f} minutes on a machine like this one."
        )
    if took.get("way"):
        said.append(str(took["way"]))
    return said


def _leaves(data: Data) -> list[str]:
    found = data.get("leaving")
    if not found:
        return []
    keeps = {
        "people": "The generator keeps whole histories of people: its sample stays in the building.",
        "counts": "The generator keeps counts of what people did, with no bound on what one person adds: its sample "
        "stays in the building.",
        "private": "The generator is private by its ledger: a release may certify its sample.",
    }
    said = [keeps[found["keeps"]]]
    if "why" in found:
        return [*said, f"No attack was tried: {found['why']}."]
    said.append(
        f"Of {found['users']:,} users and as many others, the worst quick attack ({found['worst']}) has an area of "
        f"{found['area']:.3f}, at most {found['high']:.3f}; .5 tells nothing."
    )
    said.append(
        "No quick attack reaches the bar of .55."
        if found["passes"]
        else "That is above the bar of .55: an attack may tell members."
    )
    said.append(
        "`wareloom attack` makes all attacks, and `wareloom release` certifies what may leave."
    )
    return said


def steps(data: Data) -> list[str]:
    """What to do next."""
    power, system = data["power"], data["rankers"]["label"]
    said = {
        HELPS: "Try the model in `bundle` on live traffic. It was made with synthetic shoppers, as the proof chose.",
        DISTIL: f"Serve {system} from `bundle`. Leave synthetic shoppers out: their knowledge is had without rows.",
        OUT: f"Serve {system} from `bundle`, made of real data alone.",
        NOTHING: f"Serve {system} from `bundle`, made of real data alone.",
        FEW: "Collect more shoppers, then ask again. The model in `bundle` is a plain default until then.",
        UNPROVED: "Ask again with more minutes and `--resume`, or run the recipe.",
    }[data["answer"]]
    more = "Run the recipe for the figures at full strength: `wareloom run recipe.toml`."
    return [said, *([] if power["too_few"] else [more])]
