"""The front of the page of benchmarks: what is claimed, the figure with its interval, the bar, held or missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from _tables import Figures, table

MIXED, LOGS = "real + synthetic", "real + other shops' logs"


class Claim(NamedTuple):
    """One line of the front page."""

    claim: str
    figure: str
    bar: str
    held: bool | None
    """None where no bar is set"""
    date: str = ""
    """The day it was measured, where it is not that of the whole page"""


def rows(found: dict[str, Figures], links: dict[str, str]) -> list[str]:
    """One table of all claims whose benchmarks have left figures, each with the day it was measured.

    `links`: the page of each benchmark, to which the day leads.
    """
    lines = []
    for name, claims in CLAIMS.items():
        if name not in found:
            continue
        for claim in claims(found[name]):
            said = {True: "held", False: "**missed**", None: "–"}[claim.held]
            measured = f"[{claim.date or found[name]['about']['date']}]({links[name]})"
            lines.append((claim.claim, claim.figure, claim.bar, said, measured))
    return table("claim | figure | bar | held? | measured", lines)


def _start(figures: Figures) -> Iterator[Claim]:
    beyond = f"{figures['beyond']:.3f} s"
    yield Claim("Importing, beyond a bare interpreter", beyond, "0.1 s", figures["held"])


def _scale(figures: Figures) -> Iterator[Claim]:
    for log in figures["logs"]:
        said = f"{log['seconds']:.1f} s, {log['peak_gib']:.2f} GiB"
        yield Claim(f"{log['log']}: read, clean, split", said, str(log["bar"]), log["held"])


def _gate(what: str) -> Callable[[Figures], Iterator[Claim]]:
    def claims(figures: Figures) -> Iterator[Claim]:
        own = {(r.get("ranker"), r.get("data")): r["runs"] for r in figures["rows"]}
        runs = sum(own.values())
        yield Claim(f"Gate, {what}", f"{runs:,} proofs", "2.5 % false “helps”", figures["held"])

    return claims


def _fidelity(figures: Figures) -> Iterator[Claim]:
    bar = figures["bar"]["auc"]
    for data in dict.fromkeys(row["data"] for row in figures["rows"]):
        own = [r for r in figures["rows"] if r["data"] == data and r["generator"] == "markov"]
        for row in own:
            claim = f"{data}: `markov` told from real shoppers by a sequence network (area)"
            yield Claim(claim, f"{row['auc']:.3f}", f"{bar:.2f}", row["auc"] <= bar)


def _dialogues(figures: Figures) -> Iterator[Claim]:
    for side in figures["sides"]:
        own = {f["name"]: f for f in side["generators"]["flow"]}
        data, facts = side["data"], own["dialogue_facts"]["value"]
        speed = side["per_second"]
        yield Claim(f"{data}: agents' turns with a wrong fact", f"{facts:.2%}", "0", facts == 0)
        said = f"{speed:.0f} a second"
        yield Claim(f"{data}: dialogues on one thread", said, "300 a second", speed >= 300)
        real, made = side["rates"]["real"], side["rates"]["flow"]
        named = [name for name in real if name != "dialogues"]
        worst = max(named, key=lambda name: abs(made[name] / real[name] - 1))
        apart = made[worst] / real[worst] - 1
        claim = f"{data}: refusals, interruptions, open ends beside the log ({worst})"
        yield Claim(claim, f"{apart:+.0%}", "within 25 %", abs(apart) <= 0.25)
        whole = own["dialogue_discriminator"]
        claim = f"{data}: whole dialogues told from real ones (area)"
        yield Claim(claim, f"{whole['value']:.3f}, floor {whole['floor']:.3f}", "–", None)
        high = side["attack"]["flow, seen_in = 5"]["high"]
        claim = f"{data}: members told by their words, phrases of five dialogues alone (upper end)"
        yield Claim(claim, f"{high:.3f}", ".55", high <= 0.55)
    for one in figures["assistant"]:
        claim = f"Rule agent with simulated customers, {one['language']}: planned order state"
        said = f"{one['success']:.1%}, pass^4 {one['pass'][-1]:.1%}"
        yield Claim(claim, said, "99 %", one["success"] >= 0.99)


GOALS = {"5": ("+5", 0.05), "10": ("+2", 0.02), "slots": ("+5", 0.05), "replies": ("+3", 0.03)}
"""Points that synthetic turns have to bring over the best control, its interval above 0"""
DECISIVE = ("real", "real, repeated", "real + naive")
"""Their controls"""


def _dialogues_useful(figures: Figures) -> Iterator[Claim]:
    for proof in figures["proofs"]:
        goal = next((own for word, own in GOALS.items() if word in proof["part"].split(", ")), None)
        if goal is None or "told" in proof["part"]:
            continue
        own = [r for r in proof["comparisons"] if r["metric"] == proof["metric"]]
        over = [r for r in own if r["arm"] == "real + synthetic" and r["against"] in DECISIVE]
        least = min(over, key=lambda row: float(row["difference"]))
        said = f"{100 * least['difference']:+.1f} ({100 * least['low']:+.1f} to {100 * least['high']:+.1f})"
        claim = f"{proof['part']}: points of {proof['metric']} over {least['against']}"
        met = least["difference"] >= goal[1] and least["low"] > 0
        yield Claim(claim, f"{said}; {proof['verdict']}", f"{goal[0]}, above 0", met)


def _useful(figures: Figures) -> Iterator[Claim]:
    for proof in figures["proofs"].values():
        warm, bar = proof["warm"], proof["bar"]
        ends = f"{warm['lift']:+.1%} ({warm['lift_low']:+.1%} to {warm['lift_high']:+.1%})"
        claim = f"{proof['title']}, warm answers: SASRec with `teacher` over {warm['against']}"
        yield Claim(claim, ends, f"{bar:.0%}", warm["lift"] >= bar and warm["lift_low"] > 0)
        direct = next(
            (
                x
                for x in proof["lifts"]
                if (x["against"], x["slice"]) == ("real, direct labels", "warm")
            ),
            None,
        )
        if direct is not None:
            ends = (
                f"{direct['lift']:+.1%} ({direct['lift_low']:+.1%} to {direct['lift_high']:+.1%})"
            )
            claim = f"{proof['title']}, warm answers: the same over direct labels"
            yield Claim(claim, ends, "above 0", direct["lift_low"] > 0)


def _system(figures: Figures) -> Iterator[Claim]:
    for what, (which, value, bar) in figures["bars"].items():
        share = what.startswith("synthetic")
        said, wanted = (f"{value:+.1%}", f"{bar:.0%}") if share else (f"{value:.4f}", f"{bar}")
        yield Claim(f"Amazon Beauty, {what} ({which})", said, wanted, value >= bar)


def _transfer(figures: Figures) -> Iterator[Claim]:
    for row in figures["rows"]:
        kept = row.get("kept", [])
        own = next((k for k in kept if k["arm"] == "real + synthetic" and k["share"]), None)
        if own is None:
            continue
        claim = (
            f"{row['data']}, {row['share']:.0%} of own users: share of the lift of another shop's log that a sample of "
            f"it keeps ({row['generator']})"
        )
        figure = f"{own['share']:.0%} ({own['low']:.0%} to {own['high']:.0%})"
        yield Claim(claim, figure, "70 %", own["share"] >= 0.7)
        mixed = [r for r in row["lifts"] if r["arm"] == MIXED and r["against"] != LOGS]
        least = min(mixed, key=lambda r: float(r["lift"]))
        yield Claim(
            f"{row['data']}, {row['share']:.0%} of own users: lift of its system by that sample, over "
            f"{least['against']}",
            f"{least['lift']:+.1%} ({least['lift_low']:+.1%} to {least['lift_high']:+.1%})",
            "3 %",
            least["lift"] >= 0.03 and least["lift_low"] > 0,
        )


def _search_safe(figures: Figures) -> Iterator[Claim]:
    asked = (
        (
            "the encoder at the safe share over itself untaught",
            "encoder 0.3",
            lambda row: "encoder 0",
        ),
        (
            "two stages at the safe share over the best plain",
            "two stages 0.3",
            lambda row: row["plain"],
        ),
    )
    for claim, ours, of in asked:
        pairs = [
            each
            for row in figures["rows"]
            for each in row["differences"]
            if (each["system"], each["against"], each["view"]) == (ours, of(row), "whole")
        ]
        if pairs:
            said = f"{min(p['difference'] for p in pairs):+.3f} to {max(p['difference'] for p in pairs):+.3f}"
            claim = f"Search without a label, {len(pairs)} shops: {claim}"
            held = all(each["high"] >= 0 for each in pairs)
            yield Claim(claim, said, "none loses beyond chance", held)


def _search(figures: Figures) -> Iterator[Claim]:
    for proof in figures["proofs"].values():
        date, title = proof["about"]["date"], proof["title"]
        helps = proof["verdict"].startswith("helps")
        yield Claim(f"{title}: synthetic queries", proof["sentence"], "helps", helps, date)


def _reader(figures: Figures) -> Iterator[Claim]:
    best = max(figures["rows"], key=lambda row: row["whole"])
    claim = "Home Depot, no query labelled: the best over the whole catalogue"
    figure = f"{best['whole']:.3f} ({best['name']})"
    yield Claim(claim, figure, "0.44", best["whole"] >= 0.44)
    by = {row["name"]: row for row in figures["rows"]}
    plain = by["fusion, untaught"]["whole"]
    yield Claim("The same, nothing taught", f"{plain:.3f}", "–", None)


def _words(figures: Figures) -> Iterator[Claim]:
    rows = {row["name"]: row for row in figures["rows"]}
    for name, what in (
        ("words, sizes, pairs, spelling", "BM25 with sizes and pairs"),
        ("words, sizes, pairs, delta, spelling", "BM25 with delta as well"),
        ("words, sizes, pairs, runs and encoder", "the plain fusion with sizes and pairs"),
        ("words, sizes, pairs, delta, runs and encoder", "the plain fusion with delta as well"),
    ):
        row = rows[name]
        said = f"{row['whole']:.3f} ({row['difference']:+.4f}, {row['low']:+.4f} to {row['high']:+.4f})"
        yield Claim(f"Home Depot, nothing taught: {what}", said, "above 0", row["low"] > 0)
    for key, what in (("of_sizes", "Sizes and pairs"), ("of_delta", "Delta beside these")):
        apart = [row[key] for row in figures["shops"]]
        claim = f"{what} in the plain fusion on {len(apart)} shops unlike each other"
        said = f"{min(a['difference'] for a in apart):+.3f} to {max(a['difference'] for a in apart):+.3f}"
        yield Claim(claim, said, "none loses beyond chance", all(a["high"] >= 0 for a in apart))


def _speed(figures: Figures) -> Iterator[Claim]:
    missed = ", ".join(figures["missed"])
    said = f"below the bar: {missed}" if missed else "all above it"
    yield Claim("Events a second of the generators", said, "as its page says", not missed)


def _front(figures: Figures) -> Iterator[Claim]:
    """The best sample of either kind that no attack tells beyond .55."""
    where = f"{figures['title']}, {figures['own']:.0%} of own users: lift by a sample that no attack tells beyond .55"
    private = [r for r in figures["rows"] if r["generator"].startswith("private_walk, ε 8")]
    counts = [r for r in figures["rows"] if r["keeps"] == "counts" and "ε" not in r["generator"]]
    by_counts, by_noise = (0.45, 0.30) if figures["title"] == "YooChoose" else (0.10, 0.10)
    for kind, rows, bar in (("counts", counts, by_counts), ("ε 8", private, by_noise)):
        safe = [row for row in rows if row["high"] <= 0.55]
        if not safe:
            yield Claim(f"{where}, {kind}", "none", f"{bar:.0%}", False)
            continue
        best = max(safe, key=lambda row: row["lift"][0])
        lift, low, high = best["lift"]
        figure = f"{lift:+.0%} ({low:+.0%} to {high:+.0%}), {best['generator']}"
        yield Claim(f"{where}, {kind}", figure, f"{bar:.0%}", lift >= bar)


def _private_walk(figures: Figures) -> Iterator[Claim]:
    taught, like = (figures["rows"][f"{preset}, ε 3"] for preset in ("teaching", "faithful"))
    reached, walk = taught["ndcg@10"], figures["rows"]["public texts alone"]["ndcg@10"]
    said = f"{reached:.4f}; public texts alone {walk:.4f}"
    yield Claim("Amazon Beauty, private_walk at ε 3 teaches", said, "0.033", reached >= 0.033)
    said = f"{like['items']:.2f}, {like['category_steps']:.2f}"
    held = like["items"] <= 0.24 and like["category_steps"] <= 0.25
    yield Claim(
        "Amazon Beauty, private_walk at ε 3: items and category steps apart", said, ".24, .25", held
    )


def _pictures(figures: Figures) -> Iterator[Claim]:
    for proof in figures["rows"]:
        means = {one["metric"]: one["mean"] for one in proof["arms"] if one["arm"] == MIXED}
        if goal := proof.get("goal"):
            said = f"{means['accuracy']:.3f} / {means['macro_f1']:.3f}"
            held = means["accuracy"] >= goal[0] and means["macro_f1"] >= goal[1]
            claim = f"Photos told apart, altered copies, {proof['name']}: accuracy / macro-F1"
            yield Claim(claim, said, f"{goal[0]:.2f} / {goal[1]:.2f}", held)
            continue
        for row in proof["comparisons"]:
            if (row["arm"], row["against"], row["metric"]) == (MIXED, "real", "macro_f1"):
                ends = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
                said = f"{100 * row['difference']:+.1f} points ({ends})"
                held = row["difference"] >= 0.04 and row["low"] > 0
                claim = f"Altered copies of photos, {proof['name']}: macro-F1"
                yield Claim(claim, said, "+4, interval above 0", held)


def _pictures_made(figures: Figures) -> Iterator[Claim]:
    for row in figures["speed"]:
        if row["bar"]:
            claim = f"Pictures by {row['job']}, a second on one thread"
            yield Claim(
                claim, f"{row['photos_s']:,.1f}", f"{row['bar']:g}", row["photos_s"] >= row["bar"]
            )
    worst = min(figures["screens"], key=lambda one: one["real_passed"])
    claim = f"Real held-out photos that pass the strictest screen ({worst['screen']})"
    yield Claim(claim, f"{worst['real_passed']:.1%}", "97 %", worst["real_passed"] >= 0.97)


def _search_of_pictures(figures: Figures) -> Iterator[Claim]:
    best, goals = figures["rows"][-1], figures["goals"]
    for key, name in (("p1", "P@1"), ("p10", "P@10"), ("same", "an altered photo finds itself")):
        claim = f"Visual search, {name}"
        yield Claim(claim, f"{best[key]:.3f}", f"{goals[key]:.2f}", best[key] >= goals[key])
    crossed = figures["crossed"]
    claim = (
        f"Visual search, each of {crossed['photos']:,} altered photos, by a head taught without it"
    )
    bar = goals["same"]
    yield Claim(claim, f"{crossed['same']:.3f}", f"{bar:.2f}", crossed["same"] >= bar)
    speed = figures["speed"]["photos_cpu_s"]
    claim = "Visual search, photos read and encoded on one thread"
    yield Claim(claim, f"{speed:.0f} a second", f"{goals['photos_s']}", speed >= goals["photos_s"])


def _held(claim: str, bar: str) -> Callable[[Figures], Iterator[Claim]]:
    def claims(figures: Figures) -> Iterator[Claim]:
        yield Claim(claim, "see its page", bar, figures["held"])

    return claims


def _loaded(figures: Figures) -> Iterator[Claim]:
    bars = {
        "open": ("p99 at half of capacity, of a bare route's", "≤ {bar:g} ×", "{ratio:.2f} ×"),
        "overload": ("Goodput at three times the capacity", "≥ {bar:.0%}", "{ratio:.0%}"),
    }
    for row in figures["rows"]:
        if row["part"] in bars and "ratio" in row:
            claim, bar, found = bars[row["part"]]
            yield Claim(f"Serving: {claim}", found.format(**row), bar.format(**row), row["held"])


def _realtime(figures: Figures) -> Iterator[Claim]:
    lifts = [row for row in figures["rows"] if row["part"] == "lift"]
    won = sum(row["beats_all"] for row in lifts)
    bar = "each, to be on by default"
    claim = "Writing short sessions on beats ranker, generator and repeated history"
    yield Claim(claim, f"{won} of {len(lifts)} pairs of ranker and generator", bar, None)


def _replicas(figures: Figures) -> Iterator[Claim]:
    of = {
        part: [r for r in figures["rows"] if r["part"] == part]
        for part in ("pairs", "kill", "gone")
    }
    seen, asked = (sum(row[name] for row in of["pairs"]) for name in ("seen", "of"))
    # The bar is of ten thousand: fewer, all of them seen, neither hold nor miss it.
    all_seen = all(row["held"] for row in of["pairs"]) and (True if asked >= 10_000 else None)
    yield Claim(
        "Two replicas: an answer has seen the click", f"{seen:,} of {asked:,}", "10,000", all_seen
    )
    killed, version, _ = of["kill"]
    said = f"{killed['lost']} lost, {killed['doubled']} doubled of {killed['acknowledged']:,}"
    yield Claim("Two replicas: one killed -9 under load", said, "none", killed["held"])
    said = f"{version['s']:.1f} s"
    yield Claim("Two replicas: a new version answers on both", said, "5 s", version["held"])
    held = all(row["held"] for row in of["gone"])
    yield Claim(
        "Redis, PostgreSQL or the bucket gone: no request fails", "see its page", "all", held
    )


def _advice(figures: Figures) -> Iterator[Claim]:
    if found := figures.get("truths"):
        right = f"{found['right']} of {len(found['rows'])} right"
        bar = f"{found['bar']} right"
        yield Claim("Advice on shops of known truth", right, bar, found["right"] >= found["bar"])
    if found := figures.get("noise"):
        false = f"{found['false']} of {found['shops']}"
        yield Claim("Advice on noise: false “helps”", false, "0", found["false"] <= found["bar"])
    for name, title in (("beauty", "Amazon Beauty"), ("homedepot", "Home Depot")):
        if found := figures.get(name):
            share = (found["reached"] or 0.0) / found["full"]
            claim = (
                f"{title}: advice in {found['given']:g} minutes, of the full recipes' best system"
            )
            held = share >= found["bar"] and found.get("in_time", True)
            yield Claim(claim, f"{share:.1%}", f"{found['bar']:.0%}", held)
    if found := figures.get("events"):
        said = f"{found['minutes']:.1f} minutes, {found['peak_gib']:.2f} GiB"
        held = found["peak_gib"] <= found["bar"] and found.get("in_time", True)
        claim, bar = (
            "Advice on ten million events",
            f"{found['given']:g} minutes, {found['bar']:g} GiB",
        )
        yield Claim(claim, said, bar, held)


def _vectors(figures: Figures) -> Iterator[Claim]:
    filtered = [row for row in figures["rows"] if "control" in row]
    if filtered:
        least = min(filtered, key=lambda row: float(row["recall"]))
        claim = f"Vector search, recall@10 where filters pass little ({least['name']})"
        figure = f"{least['recall']:.3f} (graph, filtered afterwards: {least['control']:.3f})"
        yield Claim(claim, figure, "0.98", least["held"])
    for row in figures["rows"]:
        if row["name"].endswith("items, graph"):
            claim = f"Vectors, {row['name']}: recall@10 on queries that publishing did not see"
            yield Claim(claim, f"{row['recall']:.3f}", "0.98", row["recall"] >= 0.98)
        if "refused" in row:
            figure = f"{row['recall']:.3f}"
            if refused := row["refused"]:
                figure += f" (a graph had {refused['recall']:.3f} and was refused)"
            yield Claim(f"Vectors, {row['name']}, recall@10", figure, "0.98", row["held"])
        if row["part"] == "open" and "s" in row and "bar" in row:
            figure = f"{row['s']:.2f} s of processor time"
            yield Claim(f"A version of {row['name']}", figure, f"{row['bar']:g} s", row["held"])
        if "mb" in row:
            figure = f"{row['ratio']:.2f} ({row['mb'][1]:.0f} MB beside {row['mb'][0]:.0f})"
            yield Claim(f"Vectors, {row['name']}", figure, f"{row['bar']:g}", row["held"])


def _compress(figures: Figures) -> Iterator[Claim]:
    small = next(row for row in figures["encoders"] if row["name"] == "int8")
    said, bars = small["verdict"], figures["bars"]
    figure = (
        f"{bars['time']['value']:.2f} of the time, {bars['size']['value']:.2f} of the size, nDCG@10 "
        f"{said['before']:.4f} → {said['after']:.4f}"
    )
    yield Claim("An encoder of queries in 8 bits", figure, "0.55, 0.3, 1 %", figures["held"])


CLAIMS: dict[str, Callable[[Any], Iterator[Claim]]] = {
    "best_system": _system,
    "advise": _advice,
    "behaviour_useful": _useful,
    "transfer": _transfer,
    "search_safe": _search_safe,
    "release_front": _front,
    "release_front_beauty": _front,
    "private_walk": _private_walk,
    "privacy_audit": _held("No ε that draws show is above the one that was paid", "all"),
    "search_useful": _search,
    "search_reader": _reader,
    "search_words": _words,
    "dialogues": _dialogues,
    "dialogues_useful": _dialogues_useful,
    "behaviour_fidelity": _fidelity,
    "leak": _held("Leak screen: planted held-out users are found, honest generators pass", "all"),
    "gate": _gate("noise"),
    "gate_aa": _gate("two draws of one shop"),
    "gate_planted": _gate("planted effects"),
    "gate_sasrec": _gate("a gradient-trained ranker"),
    "gate_seeds": _gate("planted variance between seeds"),
    "pictures_useful": _pictures,
    "pictures_search": _search_of_pictures,
    "pictures_made": _pictures_made,
    "rankers": _held("Rankers beside the bare product of matrices", "1.5 ×"),
    "speed": _held("Algorithms grow linearly and stay near their limits", "as its page says"),
    "behaviour_speed": _speed,
    "serve_load": _loaded,
    "realtime": _realtime,
    "compare": _held("A million events of each shop are compared", "60 s, 2 GiB"),
    "serve_replicas": _replicas,
    "serve_vectors": _vectors,
    "compress": _compress,
    "start": _start,
    "shop_scale": _scale,
    "shop_scale_large": _scale,
}
"""By benchmark, the most important first"""
