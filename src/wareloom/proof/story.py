"""A proof in plain sentences: what was found, how sure it is, what it would take to know more, what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.experiment.plan import (
    BEHAVIOUR_LABELS,
    FEATURES,
    FEATURES_MIXED,
    MIXED,
    OWN,
    REAL,
    TEACHER,
)
from wareloom.proof.decide import BUT, listed, name_of, signed
from wareloom.stats.power import POWER

MEANS = {
    "ndcg": "how near the top of a list of {k} the right items stand",
    "recall": "the share of the right items among the first {k}",
    "precision": "the share of right items among the first {k}",
    "hit_rate": "the share of lists whose first {k} hold a right item",
    "mrr": "how near the top the first right item stands",
    "map": "how well the right items are gathered at the top of the first {k}",
    "judged": "the share of the first {k} that people judged at all",
    "auc": "how often a right item stands above a wrong one",
    "log_loss": "how surprised the ranker is by what was clicked; lower is better",
    "normalised_entropy": "its surprise beside that of one who knows the share of clicks alone; lower is better",
}
"""What metrics say, for those who do not know their names"""
BLIND = 0.5
"""Lift that has to be told with fair power before a proof says anything of the generator"""
Row = dict[str, Any]


def story(data: dict[str, Any]) -> dict[str, Any]:
    """Return "finding", "controls", "slices", "rows" and "references" in sentences, "power", and what to do "next"."""
    rows = _headline(data)
    return {
        "finding": _finding(data, rows[MIXED, REAL]) + _unjudged(data),
        "controls": _controls(data, rows),
        "slices": _slices(data),
        "rows": data["rows"]["sentence"] if "rows" in data else "",
        "references": [*_references(data, rows), *_best(data)],
        "power": _power(data),
        "next": _next(data, rows),
    }


def named(data: Mapping[str, Any]) -> Mapping[str, str]:
    """The arms of a proof, for those who do not know the experiment."""
    arms: Mapping[str, str] = data["words"]["arms"]
    return arms


def askers(data: Mapping[str, Any]) -> str:
    """Who or what a proof's requests are: "shoppers", or "queries"."""
    return str(data["words"]["askers"])


def lines(data: Mapping[str, Any]) -> list[str]:
    """The story as lines, in the order in which it is read."""
    told = data["story"]
    sentences = [
        told["finding"],
        told["controls"],
        told["rows"],
        told["slices"],
        *told["references"],
        told["power"],
    ]
    return [*(line for line in sentences if line), *(f"Next: {step}" for step in told["next"])]


def meaning(metric: str) -> str:
    """What a metric measures, in plain words; nothing where it has none here."""
    stem, _, k = metric.partition("@")
    return MEANS.get(stem, "").format(k=k.partition(",")[0] or "all")


def _called(metric: str) -> str:
    """A metric as people write it."""
    name, _, over = metric.partition(", ")
    stem, at, k = name.partition("@")
    known = {"ndcg": "nDCG", "mrr": "MRR", "map": "MAP", "auc": "AUC"}.get(
        stem, stem.replace("_", " ")
    )
    return known + at + k + (f" over {over}" if over else "")


def _headline(data: dict[str, Any]) -> dict[tuple[str, str], Row]:
    decisive = data["decisive"]
    return {
        (row["arm"], row["against"]): row
        for row in data["comparisons"]
        if (row["ties"], row["metric"], row["slice"])
        == (decisive["ties"], decisive["metric"], "all")
    }


def _finding(data: dict[str, Any], row: Row) -> str:
    """How much better or worse the ranker is than on real data alone."""
    decisive, settings = data["decisive"], data["settings"]
    metric, says = _called(decisive["metric"]), meaning(decisive["metric"])
    explained = f" {metric} is {says}." if says else ""
    means = {
        arm["arm"]: arm["mean"]
        for arm in data["arms"]
        if (arm["ties"], arm["metric"], arm["slice"])
        == (decisive["ties"], decisive["metric"], "all")
    }
    change = f"{metric} of the ranker {settings['ranker']} went from {means[REAL]:.4f} to {means[MIXED]:.4f}"
    if row["lift"] is None:
        return f"With synthetic {askers(data)} added, {change}.{explained}"
    ends = f"with 95 % confidence between {signed(row['lift_low'])} and {signed(row['lift_high'])}"
    gain = "a gain of " if _lower(data) else ""
    return f"With synthetic {askers(data)} added, {change}: {gain}{signed(row['lift'])}, {ends}.{explained}"


def _unjudged(data: dict[str, Any]) -> str:
    """How far a finding of search rests on what nobody judged, and what it is without that."""
    ties = data["decisive"]["ties"]
    means = {
        (row["metric"], row["arm"]): row["mean"]
        for row in data["arms"]
        if (row["ties"], row["slice"]) == (ties, "all")
    }
    shares = [metric for metric, arm in means if metric.startswith("judged@") and arm == REAL]
    if not shares:
        return ""
    before, after = means[shares[0], REAL], means[shares[0], MIXED]
    k = shares[0].partition("@")[2].partition(",")[0]
    said = f" People had judged {before:.0%} of the first {k}, and {after:.0%} with synthetic {askers(data)}"
    stem, _, over = data["decisive"]["metric"].partition(", ")
    other = stem if over else f"{stem}, all items"
    for row in data["comparisons"]:
        key = (row["ties"], row["metric"], row["slice"], row["arm"], row["against"])
        if key == (ties, other, "all", MIXED, REAL) and row["lift"] is not None:
            how = "taken out of the lists" if over else "taken for wrong in the whole catalogue"
            ends = f"{signed(row['lift_low'])} to {signed(row['lift_high'])}"
            return f"{said}: with what nobody judged {how}, the lift is {signed(row['lift'])} ({ends})."
    return f"{said}."


def _controls(data: dict[str, Any], rows: dict[tuple[str, str], Row]) -> str:
    """Which fair controls were beaten."""
    mine = [rows[MIXED, control] for control in data["decisive"]["controls"]]
    beaten = [row for row in mine if row["verdict"] == "helps"]
    if len(beaten) == len(mine):
        return f"It beat every fair control, beyond chance: {listed([named(data)[row['against']] for row in mine])}."
    worse = [row for row in mine if row["verdict"] == "hurts"]
    open_ = [row for row in mine if row["verdict"] == "no evidence"]
    said = []
    for rows_, verb in (
        (beaten, "beat"),
        (open_, "could not be told from"),
        (worse, "did worse than"),
    ):
        if rows_:
            said.append(f"{verb} {listed([_against(data, row) for row in rows_])}")
    return f"It {listed(said)}; only what beats all of them is said to help."


def _against(data: Mapping[str, Any], row: Row) -> str:
    name = named(data)[row["against"]]
    return name if row["lift"] is None else f"{name} ({signed(row['lift'])})"


def _slices(data: dict[str, Any]) -> str:
    """Whether anybody pays for it."""
    watched = data["guard"]
    if watched["warnings"]:
        return " ".join(watched["warnings"])
    who, most = f"group of items or {askers(data)}", f"{watched['guard']:.0%}"
    return f"As far as can be told, no {who} lost more than the {most} allowed."


def _references(data: dict[str, Any], rows: dict[tuple[str, str], Row]) -> list[str]:
    """What other uses of the same knowledge gave."""
    said = []
    for name, what in (
        (BEHAVIOUR_LABELS, "Direct labels of behaviour alone"),
        (FEATURES, "Giving the text to the ranker as features instead"),
        (FEATURES_MIXED, "Giving it the text as features beside synthetic data"),
        (TEACHER, "Ranking with the generator itself"),
        (OWN, "Teaching on the shop's own queries, labelled by the ranker untaught,"),
    ):
        if (row := rows.get((name, REAL))) is not None and row["lift"] is not None:
            beside = rows[MIXED, name]
            which = {"helps": "synthetic data gave more", "hurts": "synthetic data gave less"}
            end = which.get(beside["verdict"], "what synthetic data gave cannot be told from it")
            ends = f"{signed(row['lift_low'])} to {signed(row['lift_high'])}"
            said.append(
                f"{what} gave {signed(row['lift'])} ({ends}) over {named(data)[REAL]}; {end}."
            )
    return said


def _best(data: dict[str, Any]) -> list[str]:
    """Which of the systems is the best, with synthetic data and without."""
    if data["kind"] != "system":
        return []
    own = [row for row in data["arms"] if _decides(row, data["decisive"])]
    by = sorted(own, key=lambda row: -float(row["mean"]))
    plain = next(row for row in by if "synthetic" not in row["arm"])
    names = {MIXED: "the ensemble and a network on synthetic data", **named(data)}
    best = f"The best system without synthetic data is {names[plain['arm']]}: {plain['mean']:.4f}"
    if by[0] is plain:
        return [f"{best}; none with synthetic data is above it."]
    return [f"{best}; with it {names[by[0]['arm']]}: {by[0]['mean']:.4f}."]


def _power(data: dict[str, Any]) -> str:
    """What could have been found against the decisive control, and what it would take to find more."""
    row = next(row for row in data["power"] if row["against"] == data["decisive"]["against"])
    if row["detectable_lift"] is None:
        return ""
    found = (
        f"With {row['requests']:,} {askers(data)} asked and {_seeds(row['seeds'])}, "
        f"a lift of {row['detectable_lift']:+.1%} "
        f"or more over {named(data)[row['against']]} would have been found in {POWER:.0%} of such proofs."
    )
    if row["effect"] <= 0:
        return f"{found} The lift observed is not above zero, so no number of {askers(data)} would show it."
    size = f"the {'named' if row['named'] else 'observed'} {row['effect_lift']:+.1%}"
    if row["effect"] >= row["detectable"]:
        return f"{found} That was enough for {size}."
    ways = []
    if row["requests_needed"]:
        ways.append(f"{row['requests_needed']:,} {askers(data)} at {_seeds(row['seeds'])}")
    if row["seeds_needed"]:
        ways.append(f"{_seeds(row['seeds_needed'])} with these {askers(data)}")
    if not ways:
        return f"{found} Neither more {askers(data)} nor more seeds alone would show {size}: more of both are needed."
    return f"{found} To show {size} takes {' or '.join(ways)}."


def _seeds(count: int) -> str:
    return f"{count:,} seed" + ("" if count == 1 else "s")


def _next(data: dict[str, Any], rows: dict[tuple[str, str], Row]) -> list[str]:
    """What to do with this verdict."""
    verdict, settings, steps = data["verdict"], data["settings"], []
    choice, ratios = data["modes"][0]["choice"], settings["ratios"]
    ratio, chosen = choice["ratio"], bool(choice["tried"])
    if (
        verdict in ("helps", BUT)
        and data.get("rows", {}).get("verdict", "rows help") != "rows help"
    ):
        steps.append(
            "Distil, do not synthesise: train on direct labels of the same knowledge (the mixer distil) and prove that."
        )
    elif verdict == "helps":
        how = f"the mix at a ratio of {ratio:g}" if chosen else "the mix"
        steps.append(f"Train on {how} and try it on live traffic.")
    elif verdict == BUT:
        fell = listed([name_of(fall["slice"]) for fall in data["guard"]["falls"]])
        steps.append(
            f"Do not ship it as it is: find out why {fell} lost, or lower the ratio, and prove it again."
        )
    elif verdict == "hurts":
        steps.append("Leave this synthetic data out: it takes away from what the real data says.")
    else:
        steps += _undecided(data, rows)
    if (
        verdict in ("helps", BUT)
        and chosen
        and len(ratios) > 1
        and ratio in (min(ratios), max(ratios))
    ):
        where = "larger" if ratio == max(ratios) else "smaller"
        steps.append(
            f"The best ratio, {ratio:g}, is the edge of those tried: try {where} ones too."
        )
    if stronger := _stronger(data):
        steps.append(stronger)
    return steps


def _undecided(data: dict[str, Any], rows: dict[tuple[str, str], Row]) -> list[str]:
    """What to do where nothing was shown: look harder, or look elsewhere."""
    open_ = [row for row in data["power"] if rows[MIXED, row["against"]]["verdict"] != "helps"]
    blind = [
        row for row in open_ if row["detectable_lift"] is None or row["detectable_lift"] > BLIND
    ]
    if blind:
        asked = f"{blind[0]['requests']:,} {askers(data)} asked"
        return [
            f"Ask more {askers(data)}, or take more seeds: with {asked} and {_seeds(blind[0]['seeds'])} nothing below "
            f"{BLIND:.0%} could be told, so that this says nothing of the generator."
        ]
    if any(row["effect"] <= 0 for row in open_):
        behind = [named(data)[row["against"]] for row in open_ if row["effect"] <= 0]
        return [f"Change the generator or its settings: it is not ahead of {listed(behind)}."]
    if any(row["requests_needed"] or row["seeds_needed"] for row in open_):
        return [
            f"Prove it again with more {askers(data)} or more seeds, as many as are said above, or let it be."
        ]
    return ["Let it be: an effect this small cannot be shown with such data."]


def _stronger(data: dict[str, Any]) -> str:
    """Name the best ranker on real data where it is beyond what synthetic data reached."""
    decisive = data["decisive"]
    own = [r for r in data["baselines"] if "refused" not in r and _decides(r, decisive)]
    mixed = next(r for r in data["arms"] if r["arm"] == MIXED and _decides(r, decisive))
    sign, worst, best_end = (-1, "high", "low") if _lower(data) else (1, "low", "high")
    best = max(own, key=lambda row: sign * float(row["mean"]), default=None)
    if best is None or best["ranker"] == data["settings"]["ranker"]:
        return ""
    if (
        best[worst] is None
        or mixed[best_end] is None
        or sign * best[worst] <= sign * mixed[best_end]
    ):
        return ""
    return (
        f"The ranker {best['ranker']} on real data alone reaches {best['mean']:.4f}, better than this ranker with or "
        "without synthetic data: begin with the better ranker."
    )


def _lower(data: dict[str, Any]) -> bool:
    """Whether a lower value of the deciding metric is the better one; its lifts are gains all the same."""
    return bool(data["better"].get(data["decisive"]["metric"]) == "lower")


def _decides(row: Row, decisive: dict[str, Any]) -> bool:
    return bool(
        (row["ties"], row["metric"], row["slice"]) == (decisive["ties"], decisive["metric"], "all")
    )
