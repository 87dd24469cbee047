"""The peers of `sasrec.py`, each as its manual has it; run by it, in an environment of theirs without Wareloom.

    python _peers.py {rectools,recbole} EVENTS.npz LIMIT_SECONDS TARGET SETTINGS

SETTINGS is JSON: the loss and what it takes, in the library's own words, and `length`, the events of a history that are
read. Prints "POINT {json}" after each pass: seconds of processor time of training so far and NDCG@10 on the held-back
events.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Lists = Callable[[], np.ndarray]
"""The ten best items of each asked user, codes: int [users, 10]"""


class Clock:
    """Seconds of processor time spent on training, and the end of it."""

    def __init__(self, answers: np.ndarray, limit: float, target: float) -> None:
        self.answers, self.limit, self.target = answers, limit, target
        self.spent, self.since = 0.0, time.process_time()

    def judge(self, lists: Lists) -> bool:
        """Stop the clock, measure, print, and say whether to go on."""
        self.spent += time.process_time() - self.since
        hit = lists() == self.answers[:, None]
        value = float(np.where(hit.any(1), 1 / np.log2(hit.argmax(1) + 2), 0.0).mean())
        print("POINT " + json.dumps({"seconds": self.spent, "value": value}), flush=True)
        self.since = time.process_time()
        return value < self.target and self.spent < self.limit


def rectools(
    events: dict[str, np.ndarray], clock: Clock, loss: dict[str, Any], length: int
) -> None:
    import pandas as pd
    from pytorch_lightning import seed_everything
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel

    n = len(events["user"])
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(n), unit="s")
    table = pd.DataFrame(
        {"user_id": events["user"], "item_id": events["item"], "weight": 1.0, "datetime": day}
    )
    dataset = Dataset.construct(table)
    seed_everything(1)
    model = SASRecModel(
        n_factors=64, n_blocks=2, n_heads=1, session_max_len=length, epochs=1, deterministic=True,
        batch_size=128, lr=0.001, dropout_rate=0.2, verbose=0, **loss,
    )  # fmt: skip
    asked = events["asked"]

    def lists() -> np.ndarray:
        found = model.recommend(users=asked, dataset=dataset, k=10, filter_viewed=True)
        out = np.full((len(asked), 10), -1)
        place = {int(user): row for row, user in enumerate(asked)}
        rows = found["user_id"].map(place).to_numpy()
        out[rows, found["rank"].to_numpy() - 1] = found["item_id"].to_numpy()
        return out

    going, clock.since = True, time.process_time()
    while going:
        model.fit_partial(dataset, min_epochs=1, max_epochs=1)
        going = clock.judge(lists)


def recbole(events: dict[str, np.ndarray], clock: Clock, loss: dict[str, Any], length: int) -> None:
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.data.interaction import Interaction
    from recbole.model.sequential_recommender import SASRec
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    folder = Path("recbole/beauty")
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f"u{u}\ti{i}\t{t}"
        for t, (u, i) in enumerate(zip(events["user"], events["item"], strict=True))
    ]
    head = "user_id:token\titem_id:token\ttimestamp:float"
    (folder / "beauty.inter").write_text("\n".join([head, *rows]) + "\n")
    settings = {
        "data_path": "recbole", "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "use_gpu": False,
        "MAX_ITEM_LIST_LENGTH": length, "hidden_size": 64, "inner_size": 256, "n_layers": 2, "n_heads": 1,
        "train_batch_size": 2048, "epochs": 1000,
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "group_by": "user", "order": "TO", "mode": "full"},
        "show_progress": False, "state": "ERROR", "seed": 1, "checkpoint_dir": "saved",
        **loss,
    }  # fmt: skip
    config = Config(model="SASRec", dataset="beauty", config_dict=settings)
    init_seed(1, True)
    dataset = create_dataset(config)
    train, _, _ = data_preparation(config, dataset)
    model = SASRec(config, train.dataset)
    trainer = Trainer(config, model)
    codes = dataset.field2token_id["item_id"]
    mapped = np.array([codes.get(f"i{i}", 0) for i in range(int(events["items"]))])
    back = np.full(len(codes), -1)
    back[mapped] = np.arange(len(mapped))
    back[0] = -1
    bounds = np.searchsorted(events["user"], [events["asked"], events["asked"] + 1])
    full = [mapped[events["item"][a:b]] for a, b in bounds.T]
    laid = np.zeros((len(full), length), dtype=np.int64)
    for row, history in enumerate(full):
        laid[row, : len(history[-length:])] = history[-length:]
    asked = Interaction({
        "item_id_list": torch.from_numpy(laid),
        "item_length": torch.tensor([min(length, len(history)) for history in full]),
    })  # fmt: skip

    def lists() -> np.ndarray:
        model.eval()
        with torch.no_grad():
            scores = model.full_sort_predict(asked).view(len(full), -1).numpy()
        for row, history in enumerate(full):
            scores[row, history] = -np.inf
        scores[:, 0] = -np.inf
        model.train()
        return back[np.argsort(-scores, axis=1)[:, :10]]

    epoch, going, clock.since = 0, True, time.process_time()
    while going:
        model.train()
        trainer._train_epoch(train, epoch, show_progress=False)
        epoch, going = epoch + 1, clock.judge(lists)


def main() -> None:
    name, path, limit, target, said = sys.argv[1:]
    settings = json.loads(said)
    print("VERSION " + importlib.metadata.version(name), flush=True)
    with np.load(path) as found:
        events = dict(found)
    clock = Clock(events["answers"], float(limit), float(target))
    train = {"rectools": rectools, "recbole": recbole}[name]
    train(events, clock, settings["loss"], settings["length"])


if __name__ == "__main__":
    main()
