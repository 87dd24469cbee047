"""An encoder learns the order that another ranker gives lists of items: listwise distillation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.training import Training, train
from wareloom.rankers.learned._network import TextNetwork
from wareloom.rankers.search.lists import Lists

BATCH = 128
"""Pairs of query and item an update reads"""


def teach_order(
    net: TextNetwork,
    lists: Lists,
    words: Callable[[list[str]], dict[str, Any]],
    texts: Sequence[str],
    how: Training,
    run: Run,
) -> list[dict[str, float]]:
    """Teach `net` in place; `words` cuts texts into pieces, `texts`: what is read of each item. Returns the losses."""
    size = max(1, BATCH // lists.item.shape[1])

    def batches(epoch: int) -> Iterator[dict[str, Any]]:
        order = run.rng("order", "epoch", epoch).permutation(len(lists.queries))
        for start in range(0, len(order), size):
            part = order[start : start + size]
            yield {
                "requests": words([lists.queries[query] for query in part]),
                "items": words([texts[item] for item in lists.item[part].ravel()]),
                "said": torch.from_numpy(lists.said[part].astype(np.float32)),
            }

    return train(net, batches, net.order_loss, how, run, None)
