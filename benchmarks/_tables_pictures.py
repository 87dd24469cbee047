"""Tables of benchmarks of pictures."""

from __future__ import annotations

from typing import Any

from _tables import Figures, table

REAL, MIXED, FEATURES = "real", "real + synthetic", "real, features"


def _means(row: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["arm"], one["metric"]): one for one in row["arms"]}


def pictures_useful(figures: Figures) -> list[str]:
    """Accuracy and macro-F1 of every arm, and what altered copies add."""
    head = "classifier, share of the photos | arm | training photos | seeds | accuracy | macro-F1"
    rows = []
    for proof in figures["rows"]:
        means = _means(proof)
        for arm in dict.fromkeys(one["arm"] for one in proof["arms"]):
            cells = [means[arm, metric] for metric in ("accuracy", "macro_f1")]
            said = [f"{c['mean']:.3f} ({c['low']:.3f} to {c['high']:.3f})" for c in cells]
            photos = proof["training"][arm]
            rows.append(
                (
                    proof["name"],
                    f"**{arm}**" if arm == MIXED else arm,
                    f"{round(sum(photos) / len(photos)):,}",
                    str(proof["settings"]["seeds"]),
                    *said,
                )
            )
    lines = table(head, rows)
    lines += [
        "",
        "Altered copies (*real + synthetic*) beside each control, points of macro-F1:",
        "",
    ]
    head = "classifier, share of the photos | against | difference | 95 % interval | p | verdict"
    rows = [
        (
            proof["name"],
            one["against"],
            f"{100 * one['difference']:+.1f}",
            f"{100 * one['low']:+.1f} to {100 * one['high']:+.1f}",
            f"{one['p']:.2g}",
            one["verdict"],
        )
        for proof in figures["rows"]
        for one in proof["comparisons"]
        if one["arm"] == MIXED and one["metric"] == "macro_f1"
    ]
    lines += table(head, rows)
    goals = [(p["name"], p["goal"], _means(p)) for p in figures["rows"] if p.get("goal")]
    if goals:
        lines += ["", "Goals for the linear layer with altered copies:", ""]
        head = "share of the photos | accuracy | was to be | macro-F1 | was to be"
        rows = [
            (
                name,
                f"{means[MIXED, 'accuracy']['mean']:.3f}",
                f"{goal[0]:.2f}",
                f"{means[MIXED, 'macro_f1']['mean']:.3f}",
                f"{goal[1]:.2f}",
            )
            for name, goal, means in goals
        ]
        lines += table(head, rows)
    return lines


def pictures_made(figures: Figures) -> list[str]:
    """Speeds beside their bars, and what each screen takes of what was planted."""
    rows = [
        (
            f"`{one['job']}`" if one["job"].startswith("image_") else one["job"],
            f"{one['parameters'] / 1e6:.2f} million" if "parameters" in one else "",
            f"{one['step_s']:.2f}" if "step_s" in one else "",
            f"{one['photos_s']:,.1f}" if one["photos_s"] < 100 else f"{one['photos_s']:,.0f}",
            f"{one['bar']:g}" if one["bar"] else "–",
        )
        for one in figures["speed"]
    ]
    lines = table("job | weights | seconds a training step | photos a second | bar", rows)
    faults = [
        name for name in figures["screens"][0] if name not in ("screen", "photos", "real_passed")
    ]
    lines += [
        "",
        "Share that each screen takes; of validation photos 97 % or more are to pass:",
        "",
    ]
    rows = [
        (
            f"`{one['screen']}`",
            f"{one['real_passed']:.1%}",
            *(f"{one[name]:.0%}" for name in faults),
        )
        for one in figures["screens"]
    ]
    lines += table(" | ".join(["screen", "validation photos that pass", *faults]), rows)
    return lines


def pictures_search(figures: Figures) -> list[str]:
    """P@1, P@10 and whether a photo finds itself."""
    head = "vectors | P@1 | P@10 | altered photo finds itself"
    rows = [
        (
            r["way"],
            f"{r['p1']:.3f}" + (f" ± {1.96 * r['p1_se']:.3f}" if "p1_se" in r else ""),
            f"{r['p10']:.3f}" + (f" ± {1.96 * r['p10_se']:.3f}" if "p10_se" in r else ""),
            f"{r['same']:.3f}" if "same" in r else "–",
        )
        for r in figures["rows"]
    ]
    speed, photos = figures["speed"], figures["photos"]
    return [
        *table(head, rows),
        "",
        f"{photos['asked']:,} test photos ask among {photos['among']:,}; {photos['altered']:,} altered photos ask "
        f"among as many. Reading and encoding: {speed['photos_cpu_s']:.0f} photos a second of one thread's own time.",
    ]


def pictures_checks(figures: Figures) -> list[str]:
    """Swaps found, false lifts, measures beside floor and memoriser, operations that are off."""
    swaps, cold = figures["consistency"], figures["cold"]
    told = [
        f"Swapped categories: {swaps['swapped']} of {swaps['photos']:,} photos, {swaps['draws']} times; precision at a "
        f"recall of one half {swaps['precision']:.3f}, at worst {swaps['lowest']:.3f}.",
        "",
        f"New items: with a planted lift {_verdicts(cold['planted'])}; with pictures dealt to other items "
        f"{_verdicts(cold['dealt'])}.",
        "",
    ]
    head = (
        "made | measure | value | 95 % interval | floor | floor's interval | training photos score"
    )
    rows = [
        (
            r["made"],
            r["measure"],
            f"{r['value']:.3f}",
            f"{r['low']:.3f} to {r['high']:.3f}",
            f"{r['floor']:.3f}",
            f"{r['floor_low']:.3f} to {r['floor_high']:.3f}",
            f"{r['about']['training photos']:.3f}",
        )
        for r in figures["likeness"]
    ]
    told += table(head, rows)
    if "safety" in figures:
        told += [
            "",
            "Label safety: the share of a class's validation photos still told so; **off** below .95:",
            "",
        ]
        names = list(dict.fromkeys(r["operation"] for r in figures["safety"]))
        by = {(r["class"], r["operation"]): r for r in figures["safety"]}
        kinds = list(dict.fromkeys(r["class"] for r in figures["safety"]))
        rows = [
            (
                kind,
                str(by[kind, names[0]]["photos"]),
                *(
                    f"{by[kind, n]['kept']:.2f}"
                    if by[kind, n]["on"]
                    else f"**{by[kind, n]['kept']:.2f}**"
                    for n in names
                ),
            )
            for kind in kinds
        ]
        told += table(" | ".join(["class", "photos", *names]), rows)
    return told


def _verdicts(counts: dict[str, int]) -> str:
    return ", ".join(f"“{name}” in {n} of {sum(counts.values())}" for name, n in counts.items())
