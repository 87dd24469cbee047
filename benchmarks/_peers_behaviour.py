"""The peers of `behaviour_fidelity.py`, each as its manual has it; run by it, in an environment of theirs.

    python _peers_behaviour.py {par,argn} EVENTS.parquet OUT.parquet USERS LIMIT_SECONDS SEED

EVENTS: user_id, item_id, time, sorted by user and time. Writes USERS synthetic users in the same form, and prints
"FACTS {json}": seconds of fitting and sampling, users learned from, passes over them, versions. `par` has no limit of
its own: it is given the users that it reads in that time, by the rate at which it read a first few.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

FIRST = 20
"""Users by which the rate of `par` is found"""


def argn(
    events: pd.DataFrame, users: int, limit: float, seed: int
) -> tuple[pd.DataFrame, dict[str, float]]:
    """TabularARGN of mostlyai-engine: users as context without columns, events as their sequences."""
    from mostlyai import engine

    engine.set_random_state(seed)
    context = pd.DataFrame({"user_id": events["user_id"].unique()})
    begun = time.perf_counter()
    engine.split(
        tgt_data=events,
        tgt_context_key="user_id",
        ctx_data=context,
        ctx_primary_key="user_id",
        tgt_encoding_types={"item_id": "TABULAR_CATEGORICAL", "time": "TABULAR_DATETIME_RELATIVE"},
    )
    engine.analyze()
    engine.encode()
    engine.train(max_training_time=limit / 60, enable_flexible_generation=False, device="cpu")
    fitted = time.perf_counter()
    engine.generate(
        ctx_data=pd.DataFrame({"user_id": [f"s{k}" for k in range(users)]}), device="cpu"
    )
    made = pd.concat(
        pd.read_parquet(path) for path in sorted(Path("engine-ws/SyntheticData").glob("*.parquet"))
    )
    done = time.perf_counter()
    told = pd.read_csv("engine-ws/ModelStore/model-data/progress-messages.csv")
    facts = {
        "fit_s": fitted - begun,
        "sample_s": done - fitted,
        "users": len(context),
        "epochs": told["epoch"].max(),
    }
    return made, facts


def par(
    events: pd.DataFrame, users: int, limit: float, seed: int
) -> tuple[pd.DataFrame, dict[str, float]]:
    """PAR of SDV on as many users as there is time for, with its 128 passes."""
    import torch
    from sdv.metadata import Metadata
    from sdv.sequential import PARSynthesizer

    column = {
        "user_id": {"sdtype": "id"},
        "item_id": {"sdtype": "categorical"},
        "time": {"sdtype": "datetime"},
    }
    told = {"columns": column, "sequence_key": "user_id", "sequence_index": "time"}
    metadata = Metadata.load_from_dict({"tables": {"events": told}})
    order = pd.Series(events["user_id"].unique()).sample(frac=1, random_state=seed)

    def fitted(taken: int, epochs: int) -> tuple[PARSynthesizer, float]:
        torch.manual_seed(seed)
        model, begun = PARSynthesizer(metadata, epochs=epochs, cuda=False), time.perf_counter()
        model.fit({"events": events[events["user_id"].isin(order[:taken])]})
        return model, time.perf_counter() - begun

    fitted(FIRST, 1)
    spent = fitted(FIRST, 8)[1] / 8
    # What a pass takes grows with the users and with the items that they chose, by which it codes them.
    taken = min(len(order), max(FIRST, int(FIRST * (limit / (128 * spent)) ** 0.5)))
    model, spent = fitted(taken, 128)
    begun = time.perf_counter()
    made = model.sample_sequences(num_sequences=users)["events"]
    return made, {
        "fit_s": spent,
        "sample_s": time.perf_counter() - begun,
        "users": taken,
        "epochs": 128,
    }


PEERS = {"argn": (argn, "mostlyai-engine"), "par": (par, "sdv")}


def main() -> None:
    name, source, out, users, limit, seed = sys.argv[1:]
    warnings.simplefilter("ignore")
    work, package = PEERS[name]
    made, facts = work(pd.read_parquet(source), int(users), float(limit), int(seed))
    made[["user_id", "item_id", "time"]].astype({"user_id": str, "item_id": str}).to_parquet(
        out, index=False
    )
    print(
        "FACTS "
        + json.dumps({**facts, "version": importlib.metadata.version(package)}, default=float)
    )


if __name__ == "__main__":
    main()
