"""What a sequence network makes of histories: states, whose products with the items' vectors are the scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wareloom.neural import torch
from wareloom.neural.batches import padded, windows
from wareloom.rankers.sequence.data import SequenceQuery
from wareloom.rankers.space import Places, Space
from wareloom.shop import Requests
from wareloom.shop.log import NO_TIME


def states_of(ranker: Any, net: Any, requests: Requests) -> Iterator[tuple[np.ndarray, Any]]:
    """Yield rows of the requests whose histories are equally long, and what `ranker` says follows: [rows, size]."""
    assert requests.histories is not None
    log = requests.histories
    starts, sizes = windows(log.offsets, ranker.max_length)
    asked, device = np.flatnonzero(sizes > 0), net["bias"].weight.device
    times = requests.times if len(requests.times) else np.full(len(requests), NO_TIME)
    columns = [log.item.astype(np.int64) + 1, *ranker._beside(log)]
    for length in np.unique(sizes[asked]):
        rows = asked[sizes[asked] == length]
        where = starts[rows], sizes[rows]
        laid = [torch.from_numpy(padded(column, *where)).to(device) for column in columns]
        yield rows, ranker._states(net, SequenceQuery(laid[0], laid[1:], times[rows]))


def space_of(net: Any, table: Any) -> Space:
    """The items' vectors, where all are `table` [items, size], and their biases."""
    return Space(table.cpu().numpy(), net["bias"].weight[1:, 0].cpu().numpy())


def places_of(ranker: Any, net: Any, requests: Requests) -> Places:
    """States as places in the space of the items."""
    vectors = np.zeros((len(requests), ranker.embedding_size), dtype=np.float32)
    known = np.zeros(len(requests), dtype=bool)
    for rows, states in states_of(ranker, net, requests):
        vectors[rows], known[rows] = states.cpu().numpy(), True
    return Places(vectors, known)
