"""A proof in plain sentences: what was found, how sure it is, what it would take to know more, what to do next.

The sentences stand in `wareloom/sentences/story.toml`, in every language of the pages; `proof.json` holds the English.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wareloom.core.sentences import Say
from wareloom.experiment.plan import (
    BEHAVIOUR_LABELS,
    DIRECT,
    FEATURES,
    FEATURES_MIXED,
    FEATURES_NAIVE,
    MIXED,
    OWN,
    REAL,
    TEACHER,
)
from wareloom.experiment.study import Words
from wareloom.proof.decide import BUT, FEW, SUFFICES, distils, name_of, signed
from wareloom.stats.power import POWER

MEANS = (
    *("ndcg", "recall", "precision", "hit_rate", "mrr", "map", "judged", "auc", "log_loss"),
    "normalised_entropy",
)
"""Metrics that the table of sentences explains to those who do not know their names"""
BLIND = 0.5
"""Lift that has to be told with fair power before a proof says anything of the generator"""
ENGLISH = Say()
Row = dict[str, Any]
SHOWN = ("pictures", "dialogues")
"""Kinds of proof whose other uses have words of their own"""


def story(data: dict[str, Any], say: Say = ENGLISH) -> dict[str, Any]:
    """Return "finding", "controls", "slices", "rows" and "references" in sentences, "power", and what to do "next"."""
    rows = _headline(data)
    return {
        "finding": _finding(data, rows[MIXED, REAL], say),
        "controls": _controls(data, rows, say),
        "slices": _slices(data, say),
        "rows": _rows(data, rows, say),
        "references": [*_references(data, rows, say), *_best(data, say)],
        "power": _power(data, say),
        "next": _next(data, rows, say),
    }


def named(data: Mapping[str, Any]) -> Mapping[str, str]:
    """The arms of a proof, for those who do not know the experiment."""
    arms: Mapping[str, str] = data["words"]["arms"]
    return arms


def called(arm: str, data: Mapping[str, Any], say: Say = ENGLISH) -> str:
    """An arm for those who do not know the experiment; where the table lacks the proof's words, by its short name."""
    own = named(data).get(arm, arm)
    told = own if say.language == "en" else say.term("arm_plain", own)
    return say.term("arm", arm) if told == own and say.language != "en" else told


def the_slice(part: str, say: Say = ENGLISH) -> str:
    """A slice as a noun, in English with its article."""
    return name_of(part) if say.language == "en" else say.term("slice_the", part)


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


def meaning(metric: str, say: Say = ENGLISH) -> str:
    """What a metric measures, in plain words; nothing where it has none here."""
    stem, _, k = metric.partition("@")
    if stem not in MEANS:
        return ""
    return say(f"metric.{stem}", k=k.partition(",")[0] or say("metric.all"))


def metric_named(metric: str, say: Say = ENGLISH) -> str:
    """A metric as people write it."""
    name, _, over = metric.partition(", ")
    stem, at, k = name.partition("@")
    known = {"ndcg": "nDCG", "mrr": "MRR", "map": "MAP", "auc": "AUC"}.get(
        stem, stem.replace("_", " ")
    )
    if over:
        return say("metric.over", metric=known + at + k, over=say.term("metric", over))
    return known + at + k


def _headline(data: dict[str, Any]) -> dict[tuple[str, str], Row]:
    return {
        (row["arm"], row["against"]): row
        for row in data["comparisons"]
        if _decides(row, data["decisive"])
    }


def _finding(data: dict[str, Any], row: Row, say: Say) -> str:
    """How much better or worse the ranker is than on real data alone, and of search how far it rests on judgments."""
    decisive = data["decisive"]
    means = {arm["arm"]: arm["mean"] for arm in data["arms"] if _decides(arm, decisive)}
    told = {
        "askers": say.term("askers", askers(data)),
        "metric": metric_named(decisive["metric"], say),
        "ranker": data["settings"]["ranker"],
        "real": f"{means[REAL]:.4f}",
        "mixed": f"{means[MIXED]:.4f}",
    }
    if row["lift"] is None:
        said = [say("story.finding", **told)]
    else:
        lift = {"lift": signed(row["lift"]), "low": signed(row["lift_low"])}
        key = "finding_gain" if _lower(data) else "finding_lift"
        said = [say(f"story.{key}", high=signed(row["lift_high"]), **lift, **told)]
    if means_ := meaning(decisive["metric"], say):
        said.append(say("story.metric_is", metric=told["metric"], meaning=means_))
    if judged := _unjudged(data, say):
        said.append(judged)
    return say.sentences(said)


def _unjudged(data: dict[str, Any], say: Say) -> str:
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
    told = {
        "before": f"{means[shares[0], REAL]:.0%}",
        "after": f"{means[shares[0], MIXED]:.0%}",
        "k": shares[0].partition("@")[2].partition(",")[0],
        "askers": say.term("askers", askers(data)),
    }
    stem, _, over = data["decisive"]["metric"].partition(", ")
    other = stem if over else f"{stem}, all items"
    for row in data["comparisons"]:
        key = (row["ties"], row["metric"], row["slice"], row["arm"], row["against"])
        if key == (ties, other, "all", MIXED, REAL) and row["lift"] is not None:
            found = "story.judged_condensed" if over else "story.judged_whole"
            return say(found, **told, **_ends(row))
    return say("story.judged", **told)


def _controls(data: dict[str, Any], rows: dict[tuple[str, str], Row], say: Say) -> str:
    """Which fair controls were beaten."""
    mine = [rows[MIXED, control] for control in data["decisive"]["controls"]]
    if all(row["verdict"] == "helps" for row in mine):
        names = say.listed([called(row["against"], data, say) for row in mine])
        return say("story.beat_all", names=names)
    told = []
    for verdict, key in (("helps", "beat"), ("no evidence", "open"), ("hurts", "worse")):
        part = [_against(data, row, say) for row in mine if row["verdict"] == verdict]
        if part:
            told.append(say(f"story.{key}", names=say.listed(part)))
    return say("story.beat_some", parts=say.listed(told))


def _against(data: Mapping[str, Any], row: Row, say: Say) -> str:
    name = called(row["against"], data, say)
    if row["lift"] is None:
        return name
    return say("story.with_lift", name=name, lift=signed(row["lift"]))


def _slices(data: dict[str, Any], say: Say) -> str:
    """Whether anybody pays for it."""
    watched = data["guard"]
    if not watched["warnings"]:
        return say(
            "story.nobody_lost",
            askers=say.term("askers", askers(data)),
            most=f"{watched['guard']:.0%}",
        )
    if say.language == "en":
        return " ".join(watched["warnings"])
    told = []
    for key in ("falls", "not_excluded"):
        parts = [
            say(f"story.{key}_part", name=the_slice(row["slice"], say), **_ends(row))
            for row in watched[key][: None if key == "falls" else FEW]
        ]
        if parts:
            most = f"{watched['guard']:.0%}"
            told.append(say(f"story.{key}", parts=say.listed(parts), most=most))
    return say.sentences(told)


def _rows(data: dict[str, Any], rows: dict[tuple[str, str], Row], say: Say) -> str:
    """Whether rows help beyond direct labels of the same knowledge."""
    if "rows" not in data:
        return ""
    if say.language == "en":
        return str(data["rows"]["sentence"])
    key = data["rows"]["verdict"].replace(" ", "_")
    row = rows[MIXED, data["rows"]["against"]]
    return say(f"story.{key}", metric=metric_named(data["decisive"]["metric"], say), **_ends(row))


def _references(data: dict[str, Any], rows: dict[tuple[str, str], Row], say: Say) -> list[str]:
    """What other uses of the same knowledge gave."""
    said = []
    for name, key in (
        (BEHAVIOUR_LABELS, "behaviour_labels"),
        (FEATURES, "features"),
        (FEATURES_NAIVE, "features_naive"),
        (FEATURES_MIXED, "features_mixed"),
        (TEACHER, "teacher"),
        (OWN, "own"),
    ):
        if (row := rows.get((name, REAL))) is not None and row["lift"] is not None:
            which = {"helps": "gave_more", "hurts": "gave_less"}
            end = which.get(rows[MIXED, name]["verdict"], "gave_same")
            said.append(
                say(
                    "story.reference",
                    what=_use(name, key, data, say),
                    over=called(REAL, data, say),
                    end=say(f"story.{end}"),
                    **_ends(row),
                )
            )
    return said


def _use(name: str, key: str, data: Mapping[str, Any], say: Say) -> str:
    """Another use of the same knowledge; where it is no shoppers' and no queries', by the proof's own words for it."""
    own = named(data).get(name)
    if data["kind"] not in SHOWN or own in (None, Words().arms.get(name)):
        return say(f"story.{key}")
    told = called(name, data, say)
    return told[:1].upper() + told[1:]


def _best(data: dict[str, Any], say: Say) -> list[str]:
    """Which of the systems is the best, with synthetic data and without."""
    if data["kind"] != "system":
        return []
    own = [row for row in data["arms"] if _decides(row, data["decisive"])]
    by = sorted(own, key=lambda row: -float(row["mean"]))
    plain = next(row for row in by if "synthetic" not in row["arm"])
    told = {"plain": called(plain["arm"], data, say), "value": f"{plain['mean']:.4f}"}
    if by[0] is plain:
        return [say("story.best_plain", **told)]
    first = by[0]["arm"]
    name = say("story.best_mixed") if first not in named(data) else called(first, data, say)
    return [say("story.best", name=name, best=f"{by[0]['mean']:.4f}", **told)]


def _power(data: dict[str, Any], say: Say) -> str:
    """What could have been found against the decisive control, and what it would take to find more."""
    row = next(row for row in data["power"] if row["against"] == data["decisive"]["against"])
    if row["detectable_lift"] is None:
        return ""
    who, seeds = say.term("askers", askers(data)), say.counted("story.seeds", row["seeds"])
    found = say(
        "story.found",
        requests=f"{row['requests']:,}",
        askers=who,
        seeds=seeds,
        lift=f"{row['detectable_lift']:+.1%}",
        against=called(row["against"], data, say),
        power=f"{POWER:.0%}",
    )
    if row["effect"] <= 0:
        return say.sentences([found, say("story.not_above", askers=who)])
    key = "named" if row["named"] else "observed"
    size = say(f"story.size_{key}", lift=f"{row['effect_lift']:+.1%}")
    if row["effect"] >= row["detectable"]:
        return say.sentences([found, say("story.enough", size=size)])
    ways = []
    if row["requests_needed"]:
        count = f"{row['requests_needed']:,}"
        ways.append(say("story.way_requests", count=count, askers=who, seeds=seeds))
    if row["seeds_needed"]:
        more = say.counted("story.seeds", row["seeds_needed"])
        ways.append(say("story.way_seeds", seeds=more, askers=who))
    if not ways:
        return say.sentences([found, say("story.both_needed", askers=who, size=size)])
    return say.sentences([found, say("story.takes", size=size, ways=say.either(ways))])


def _next(data: dict[str, Any], rows: dict[tuple[str, str], Row], say: Say) -> list[str]:
    """What to do with this verdict."""
    verdict, settings, steps = data["verdict"], data["settings"], []
    choice, ratios = data["modes"][0]["choice"], settings["ratios"]
    ratio, chosen = choice["ratio"], bool(choice["tried"])
    if distils(data, rows.get((DIRECT, REAL))):
        steps.append(say("story.next_distil"))
    elif verdict == "helps":
        how = (
            say("story.next_train_ratio", ratio=f"{ratio:g}") if chosen else say("story.next_train")
        )
        steps.append(how)
    elif verdict == BUT:
        fell = say.listed([the_slice(fall["slice"], say) for fall in data["guard"]["falls"]])
        steps.append(say("story.next_fell", names=fell))
    elif verdict == SUFFICES:
        steps.append(say("story.next_embedding"))
    elif verdict == "hurts":
        steps.append(say("story.next_leave"))
    else:
        steps += _undecided(data, rows, say)
    edge = chosen and len(ratios) > 1 and ratio in (min(ratios), max(ratios))
    if verdict in ("helps", BUT) and edge:
        key = "next_larger" if ratio == max(ratios) else "next_smaller"
        steps.append(say(f"story.{key}", ratio=f"{ratio:g}"))
    if stronger := _stronger(data, say):
        steps.append(stronger)
    return steps


def _undecided(data: dict[str, Any], rows: dict[tuple[str, str], Row], say: Say) -> list[str]:
    """What to do where nothing was shown: look harder, or look elsewhere."""
    who = say.term("askers", askers(data))
    open_ = [row for row in data["power"] if rows[MIXED, row["against"]]["verdict"] != "helps"]
    blind = [
        row for row in open_ if row["detectable_lift"] is None or row["detectable_lift"] > BLIND
    ]
    if blind:
        return [
            say(
                "story.next_blind",
                askers=who,
                requests=f"{blind[0]['requests']:,}",
                seeds=say.counted("story.seeds", blind[0]["seeds"]),
                lift=f"{BLIND:.0%}",
            )
        ]
    if any(row["effect"] <= 0 for row in open_):
        behind = [called(row["against"], data, say) for row in open_ if row["effect"] <= 0]
        return [say("story.next_change", names=say.listed(behind))]
    if any(row["requests_needed"] or row["seeds_needed"] for row in open_):
        return [say("story.next_again", askers=who)]
    return [say("story.next_let_be")]


def _stronger(data: dict[str, Any], say: Say) -> str:
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
    return say("story.next_stronger", ranker=best["ranker"], value=f"{best['mean']:.4f}")


def _ends(row: Row) -> dict[str, str]:
    """A lift and its interval's ends."""
    if row["lift"] is None:
        return dict.fromkeys(("lift", "low", "high"), "–")
    return {
        "lift": signed(row["lift"]),
        "low": signed(row["lift_low"]),
        "high": signed(row["lift_high"]),
    }


def _lower(data: dict[str, Any]) -> bool:
    """Whether a lower value of the deciding metric is the better one; its lifts are gains all the same."""
    return bool(data["better"].get(data["decisive"]["metric"]) == "lower")


def _decides(row: Row, decisive: dict[str, Any]) -> bool:
    return bool(
        (row["ties"], row["metric"], row["slice"]) == (decisive["ties"], decisive["metric"], "all")
    )
