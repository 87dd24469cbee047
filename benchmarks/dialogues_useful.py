"""Do synthetic utterances teach intents of which a shop has five or ten real ones? Every arm, paired, with a verdict.

    python benchmarks/dialogues_useful.py [--draws N] [--json FILE]

Bitext (27 intents) and MultiDoGO (telecom and software pooled, intents of 40 different texts or more). Arms: the real
utterances; repeated; with edited copies (swap, deletion, slip, insertion); with synthetic ones; synthetic ones alone;
vectors of all-MiniLM-L6-v2, trained by others on other texts, of the real ones and with synthetic ones. One logistic
regression each, its penalty chosen on validation texts; macro-F1 and accuracy on held-out texts, intervals over draws
and texts. No text stands in two parts. `told` is the same at five with beginnings of the arm's own utterances alone.
Data: `WARELOOM_DATA`, else `../shared/data`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _common import arguments, data, machine, write
from wareloom.core.run import Run
from wareloom.proof.intents import IntentSettings, prove_intents
from wareloom.readers import read

LOGS = {"Bitext": "bitext_intents", "MultiDoGO": "multidogo"}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=10, help="draws of the real utterances")
    parser.add_argument("--most", type=int, default=1_500, help="utterances of the test part")
    parser.add_argument("--only", choices=list(LOGS), nargs="+", default=list(LOGS))
    options = parser.parse_args()
    proofs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run = Run(seed=1, threads=1, cache=folder / "cache")
        for name in options.only:
            shop = read(data(LOGS[name]), to=folder / LOGS[name], on_error="reject")
            for label, settings in (
                ("", IntentSettings(draws=options.draws, most=options.most)),
                (
                    "told",
                    IntentSettings(
                        draws=options.draws,
                        most=options.most,
                        shots=(5,),
                        unlabelled=False,
                        features=False,
                    ),
                ),
            ):
                found = prove_intents(shop, settings, run)
                proofs.append({"data": name, "variant": label, **found.data})
                print(f"{name} {label}: {found}", flush=True)
                for row in found.rows:
                    print(
                        f"  {row['shots']:>3} {row['arm']:28} {row['measure']:9} {row['mean']:.4f}"
                    )
                for row in found.differences:
                    print(
                        f"  {row['shots']:>3} {row['of']} less {row['against']:28} {row['measure']:9} "
                        f"{row['mean']:+.4f} "
                        f"({row['low']:+.4f} to {row['high']:+.4f})",
                        flush=True,
                    )
    write(options.json, "dialogues_useful", machine(options.note), proofs=proofs)


if __name__ == "__main__":
    main()
