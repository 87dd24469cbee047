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
        "*Real + synthetic* beside each control, points of macro-F1. Synthetic are altered copies, else what is named:",
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
    if missing := figures.get("missing"):
        lines += ["", f"Not run for want of processor time: {'; '.join(missing)}."]
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
    """P@1, P@10 and whether a photo finds itself, by what it was altered by."""
    head = "vectors | P@1 | P@10 | altered photo finds itself"

    def cell(row: dict[str, Any], key: str) -> str:
        if key not in row:
            return "–"
        ends = f" ± {1.96 * row[key + '_se']:.3f}" if key + "_se" in row else ""
        return f"{row[key]:.3f}{ends}"

    rows = [(r["way"], *(cell(r, key) for key in ("p1", "p10", "same"))) for r in figures["rows"]]
    speed, photos, crossed = figures["speed"], figures["photos"], figures["crossed"]
    lines = [
        *table(head, rows),
        "",
        f"{photos['asked']:,} test photos ask among {photos['among']:,}, altered ones among all {photos['altered']:,}. "
        f"All {crossed['photos']:,} photos, each by a head that was taught by the other half alone: "
        f"**{crossed['same']:.3f}** ± {1.96 * crossed['se']:.3f} find themselves. Reading and encoding: "
        f"{speed['photos_cpu_s']:.0f} photos a second of one thread's own time; teaching the head by altered copies "
        f"takes {speed['taught_cpu_s']:.0f} seconds more.",
        "",
        "Share of test photos that find themselves, by what was done to them:",
        "",
    ]
    ways = [r["way"] for r in figures["rows"] if r["way"] != "chance"]
    rows = [
        (
            "all that was taught, by chance" if one["how"] == "all" else one["how"],
            "yes" if one["taught"] else "no",
            *(f"{one[way]:.3f}" for way in ways),
        )
        for one in figures["hard"]
    ]
    return lines + table(" | ".join(["altered by", "taught", *ways]), rows)


def pictures_scratch(figures: Figures) -> list[str]:
    """What each network makes after as many minutes, beside floor, memoriser and other real photos."""
    names = {
        "picture_precision": "precision",
        "picture_recall": "recall",
        "picture_density": "density",
        "picture_coverage": "coverage",
    }
    head = "pictures | steps | seconds | precision | recall | density | coverage | KID | class told | near copies"
    rows = []
    for one in figures["rows"]:
        by = {f["name"]: f for f in one["figures"]}
        shares = [f"{by[name]['about']['synthetic photos']:.2f}" for name in names]
        kid, kind, copies = (by[n] for n in ("kernel_distance", "picture_class", "picture_copies"))
        rows.append(
            (
                f"`{one['made']}`" if "steps" in one else one["made"],
                f"{one['steps']:,}" if "steps" in one else "–",
                f"{one['cpu_s']:.0f}" if "steps" in one else "–",
                *shares,
                f"{kid['about']['kid']:.3f} ({kid['low']:.3f} to {kid['high']:.3f})",
                f"{1 - kind['value']:.0%} ({1 - kind['high']:.0%} to {1 - kind['low']:.0%})",
                f"{copies['value']:.1%}",
            )
        )
    by = {f["name"]: f for f in figures["rows"][0]["figures"]}
    floor = [f"{by[name]['about']['other real photos']:.2f}" for name in names]
    kid, kind, copies = (by[n] for n in ("kernel_distance", "picture_class", "picture_copies"))
    rows.append(
        (
            "*floor: validation photos*",
            "–",
            "–",
            *floor,
            f"{kid['floor']:.3f}",
            f"{1 - kind['floor']:.0%}",
            f"{copies['floor']:.1%}",
        )
    )
    number = by["kernel_distance"]["pictures"]
    lines = [*table(head, rows), "", f"{number:,} pictures of each at {figures['side']} pixels."]
    lines += [
        "",
        "What attacks tell of the training photos by these pictures (area; guessing is .5), beside validation photos:",
        "",
    ]
    rows = []
    for one in figures["rows"]:
        sides = [(one["made"], one["attacks"])]
        sides += [(f"{one['made']}, half copies", one["planted"])] if "planted" in one else []
        for name, attacks in sides:
            told = {a["name"]: a for a in attacks}
            near = told["near_copies"]["about"]
            areas = [
                f"{told[a]['area']:.3f} ({told[a]['low']:.3f} to {told[a]['high']:.3f})"
                for a in ("near_copies", "nearest_photo")
            ]
            caught = [a for a in told if told[a]["caught"]]
            rows.append(
                (
                    name,
                    *areas,
                    f"{near['members with a near copy']:.2%}",
                    f"{near['others with a near copy']:.2%}",
                    ", ".join(caught) or "–",
                )
            )
    head = "pictures | near copies | nearest photo | members copied | others copied | caught by"
    return lines + table(head, rows)


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
