"""Each generator three ways: how like real shoppers, what its sample alone teaches, what it gives away of people.

    python benchmarks/generators.py [--data NAME ...] [--only LABEL ...] [--cells DIR] [--json FILE]

Leave-last-out with ties shuffled. Half of the users are members: generators are fitted on their training rows alone and
sample as many users. The other half are the control of attacks, and the floor and judge of likeness: area of the judge
of sequences and of the judge that looks at items, too (date, company, brand, price, title), and how many measures lie
beyond 1.25 times their floor. *Teaches*: NDCG@10 of `transitions`, taught by the sample alone, at the last events of
the other half, over that of `transitions` taught by the members. The worst attack is named with the upper end of its
interval, corrected for how many were tried. One seed. Finished cells are kept in DIR. Data: `WARELOOM_DATA`, else
`../shared/data`.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from _common import arguments, data, machine, write
from transfer import halves
from wareloom.attacks import run_attacks
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.evaluation.compare import compare
from wareloom.evaluation.ranking import evaluate
from wareloom.evaluation.tasks import build_task
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.readers import read
from wareloom.sampling.generator import Generator
from wareloom.screening import of_owners, owners
from wareloom.shop import Log, Shop

TITLES = {
    "amazon_beauty": "Amazon Beauty",
    "yoochoose100k": "YooChoose",
    "completejourney": "Complete Journey",
}
METRIC = "ndcg@10"
PUBLIC = ("items.item_id", "items.title", "items.category", "items.brand", "items.price")
JUDGES = ("discriminator", "item_discriminator")
LONG = {"completejourney": ("transformer", "gru", "gan", "joint", "teacher")}
"""What takes more than half an hour there, and is not tried"""


def generators(shop: Shop) -> dict[str, Generator]:
    """What is compared, by label."""

    def markov(**settings: Any) -> Generator:
        return Generator(settings=settings)

    known = tuple(f"items.{name}" for name in shop.columns("items"))
    public = tuple(name for name in PUBLIC if name in known)
    found = {
        "markov, outlines": markov(structure="outline"),
        "markov, chain": markov(structure="chain"),
        "markov, chain, 5 users": markov(structure="chain", min_users=5),
        "markov, learned": markov(structure="learned"),
        "markov, learned, 5 users": markov(structure="learned", min_users=5),
        # A rehearsal inside: noise that can be drawn again, of the same strength, and no budget is spent.
        "private_walk, ε 3": Generator(
            synthesizer="private_walk",
            settings={"epsilon": 3.0, "public": public, "noise_seed": 1},
        ),
        "vae, learned": Generator(synthesizer="vae", settings={"structure": "learned"}),
    }
    names = ("independent", "shuffled", "neighbours", "teacher", "vae", "diffusion", "gru")
    return found | {name: Generator(synthesizer=name) for name in names}


class Bed:
    """A log, dealt into members and others, and what `transitions` has by members."""

    def __init__(self, name: str, folder: Path) -> None:
        source = name if name == "completejourney" else str(data(name))
        shop = read(source, to=folder / name)
        found = split(shop, SplitSettings(by="leave-last-out", shuffle_ties=1))
        parts = Split(*(part.in_memory() for part in found), found.how)
        self.others, self.members = halves(parts.train)
        ids = owners(self.others)
        theirs = [of_owners(part, ids) for part in (parts.validation, parts.test)]
        self.task = build_task(Split(self.others, *theirs, parts.how), "test")
        self.real = self.teaches(self.members)

    def teaches(self, shop: Shop) -> float:
        """NDCG@10 of `transitions` taught by a shop, at last events of users that no generator saw."""
        whole = shop.with_tables(items=self.members.scan("items"))
        ranker = RANKERS.make("transitions").fit(whole, Run())
        return float(evaluate(ranker, self.task, (METRIC,), Run()).overall[METRIC])

    def cell(self, generator: Generator) -> dict[str, Any]:
        """Fit, sample, compare, teach and attack."""
        run = Run(seed=0, threads=1)
        start = time.process_time()
        made = SYNTHESIZERS.make(generator.synthesizer, **generator.settings).fit(self.members, run)
        sample = made.sample(len(Log.of(self.members).users), run)
        cpu = time.process_time() - start
        figures = {
            f["name"]: f
            for f in compare(self.members, sample, self.others, run=run).data["figures"]
        }
        report = run_attacks(self.members, sample, self.others, run)
        worst = report.worst
        return {
            "keeps": made.holds(),
            "cpu_s": cpu,
            "areas": {name: figures[name]["value"] for name in JUDGES if name in figures},
            "floors": {name: figures[name]["floor"] for name in JUDGES if name in figures},
            "beyond": sum(f["verdict"] == "beyond" for f in figures.values()),
            "measures": len(figures),
            "teaches": self.teaches(sample) / self.real,
            "worst": worst.name,
            "area": [worst.area.value, worst.area.low, worst.area.high],
            "high": report.high,
            "tpr_high": report.tpr_high(),
        }


def kept(bed: Bed, generator: Generator, path: Path | None) -> dict[str, Any]:
    """One cell, or what was kept of it."""
    if path is not None and path.exists():
        return dict(json.loads(path.read_text(encoding="utf-8")))
    found = bed.cell(generator)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return found


def told(row: dict[str, Any]) -> None:
    """Print one generator in a line."""
    areas = " ".join(f"{row['areas'][n]:.3f} ({row['floors'][n]:.3f})" for n in row["areas"])
    print(
        f"{row['data']:<16} {row['generator']:<26} {row['keeps']:<8} judges {areas}; beyond {row['beyond']} of "
        f"{row['measures']}; teaches {row['teaches']:.0%}; {row['worst']} {row['area'][0]:.3f}, end {row['high']:.3f}",
        flush=True,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--data", nargs="+", choices=list(TITLES), default=list(TITLES))
    parser.add_argument("--only", nargs="+", metavar="LABEL")
    parser.add_argument("--cells", type=Path)
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.data:
            bed = Bed(name, Path(folder))
            for label, generator in generators(bed.members).items():
                if label in LONG.get(name, ()) or (chosen.only and label not in chosen.only):
                    continue
                path = chosen.cells and chosen.cells / name / f"{label}.json"
                head = {"data": TITLES[name], "generator": label}
                rows.append(head | kept(bed, generator, path))
                told(rows[-1])
    write(chosen.json, "generators", machine(chosen.note), rows=rows)


if __name__ == "__main__":
    main()
