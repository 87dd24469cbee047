"""What a ranker says of users: how well it ranks what they chose, and how near its lists are to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from wareloom.attacks._matching import halves
from wareloom.attacks.people import People
from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.parse import read_json
from wareloom.rankers import Ranker
from wareloom.shop import Log, Requests, Vocabulary

SIZE = 32
"""Numbers of an item's vector"""
LISTED = 10
"""Items of a list of recommendations"""


def saved_ranker(folder: Path | None) -> Ranker | None:
    """The ranker that lies in a folder, or that a synthesizer there is; None where there is none."""
    head = folder / "algorithm.json" if folder is not None else None
    if head is None or not head.is_file():
        return None
    said = read_json(head)
    kind = said.get("family") if isinstance(said, dict) else None
    if kind == RANKERS.kind:
        ranker: Ranker = RANKERS.restore(head.parent)
        return ranker
    if kind == SYNTHESIZERS.kind:
        made = SYNTHESIZERS.restore(head.parent)
        return made.as_ranker() if made.can_rank() else None
    return None


def losses(ranker: Ranker, people: People) -> np.ndarray:
    """How low a ranker ranks what users chose: float64 [users, 2], 0 for the first place and 1 for the last.

    Of each user's last choice after the others, and of all of them after themselves, on average: what a ranker that has
    learned them recalls. An item that it does not know is last; nobody's choice has a half.
    """
    log = people.log
    code = Vocabulary(ranker.items_).encode(log.items.ids).astype(np.int64)[log.item]
    found = np.full((len(people), 2), 0.5)
    later = np.flatnonzero(log.lengths() > 1)
    last = log.offsets[1:][later] - 1
    before = Requests(histories=log.before(last, int(log.lengths().max())))
    found[later, 0] = _places(ranker, before, code[last], np.arange(len(last)))
    each = _places(ranker, Requests(histories=log), code, log.user)
    found[:, 1] = np.bincount(log.user, weights=each, minlength=len(people)) / log.lengths()
    return found


def _places(
    ranker: Ranker, requests: Requests, code: np.ndarray, request: np.ndarray
) -> np.ndarray:
    """Share of items that are ranked above an item of a request, ties by half: float64, an entry a code; both rise."""
    found = np.ones(len(code))
    for start, block, scores in ranker.blocks(requests):
        rows = np.arange(*np.searchsorted(request, [start, start + len(block)]))
        rows = rows[code[rows] >= 0]
        order = np.sort(scores, axis=1)
        for row in rows:
            own, all_ = scores[request[row] - start, code[row]], order[request[row] - start]
            below, upto = np.searchsorted(all_, own, "left"), np.searchsorted(all_, own, "right")
            found[row] = 1 - (below + upto) / 2 / len(all_)
    return found


def vectors(log: Log) -> np.ndarray:
    """A vector an item, float64 [items, size], by the singular vectors of who chose what; 0 for what nobody chose."""
    matrix = log.matrix(weighted=False)
    matrix.data[:] = 1.0
    size = min(SIZE, min(matrix.shape) - 1)
    if size < 1:
        return np.zeros((matrix.shape[1], 1))
    usual = np.sqrt(np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1.0))
    scaled = (matrix @ sparse.diags(1 / usual)).astype(np.float64)
    _, values, right = svds(scaled, k=size, v0=np.ones(min(matrix.shape)))
    found: np.ndarray = right.T * values
    return found


def lists(ranker: Ranker, people: People, vector: np.ndarray) -> np.ndarray:
    """How near the list for the earlier half of a history is to its later half: float64 [users, 2].

    The cosine between the mean vectors of both, and how many of the later half's items are listed. 0 for users that
    have no later half.
    """
    first, second = halves(people)
    found = np.zeros((len(people), 2))
    asked = first.people.select(np.searchsorted(first.users, second.users))
    listed = ranker.rank(Requests(histories=asked.log), LISTED)
    item = people.log.items.encode(listed["item_id"]).astype(np.int64)
    request, known = listed["request"].to_numpy().astype(np.int64), item >= 0
    log, number = second.people.log, len(second.users)
    sums = [np.zeros((number, vector.shape[1])) for _ in range(2)]
    np.add.at(sums[0], request[known], vector[item[known]])
    np.add.at(sums[1], log.user, vector[log.item])
    size = np.linalg.norm(sums[0], axis=1) * np.linalg.norm(sums[1], axis=1)
    found[second.users, 0] = (sums[0] * sums[1]).sum(axis=1) / np.maximum(size, 1e-12)
    width = len(people.log.items)
    own = np.unique(log.user.astype(np.int64) * width + log.item)
    hits = np.isin(request[known] * width + item[known], own)
    found[second.users, 1] = np.bincount(request[known], weights=hits, minlength=number)
    return found
