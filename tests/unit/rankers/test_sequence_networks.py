"""Sequence networks: causality, oracles of their encoders, masks, kinds of event, fine-tuning."""

from __future__ import annotations

import numpy as np
import pytest

from conftest import small_shop
from wareloom.errors import SettingError
from wareloom.family import RANKERS
from wareloom.neural import torch
from wareloom.run import Run
from wareloom.shop import Requests


def quick(**settings: object) -> dict[str, object]:
    return {"epochs": 6, "embedding_size": 16, "dropout": 0.1, "batch_size": 512} | settings


@pytest.mark.parametrize("name", ["gru", "caser"])
def test_no_place_knows_what_comes_after_it_nor_who_stands_beside(name: str) -> None:
    torch.manual_seed(0)
    encoder = RANKERS.make(name, embedding_size=8)._encoder().eval()
    one, rest = torch.randn(3, 7, 8), torch.randn(3, 4, 8)
    with torch.no_grad():
        whole = encoder(one)
        changed = encoder(torch.cat([one[:, :3], rest], dim=1))
        alone = encoder(one[1:2, :5])
    assert torch.allclose(whole[:, :3], changed[:, :3], atol=1e-6)
    assert not torch.allclose(whole[:, 3], changed[:, 3], atol=1e-3)
    assert torch.allclose(whole[1:2, :5], alone, atol=1e-6)


def test_the_filters_of_caser_are_those_of_its_windows() -> None:
    """Each place against the windows laid out one by one, as the paper draws them."""
    torch.manual_seed(1)
    size, window, horizontal, vertical = 3, 4, 2, 2
    encoder = RANKERS.make("caser", embedding_size=size, window=window, horizontal=horizontal, vertical=vertical)
    net = encoder._encoder().eval()
    x = torch.randn(1, 6, size)
    with torch.no_grad():
        found = net(x)[0]
        for place in range(6):
            image = torch.zeros(window, size)
            there = x[0, max(0, place - window + 1) : place + 1]
            image[window - len(there) :] = there
            values = []
            for height, run in enumerate(net.runs, start=1):
                for kernel, bias in zip(run.weight, run.bias, strict=True):
                    at = [(image[i : i + height].T * kernel).sum() + bias for i in range(window - height + 1)]
                    values.append(torch.relu(torch.stack(at)).max())
            mixed = [(image * weights[:, None]).sum(0) for weights in net.places]
            seen = torch.cat([torch.stack(values), *mixed])
            expected = net.last(net.narrow(torch.relu(net.wide(seen))))
            assert torch.allclose(found[place], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("gru", {"hidden_size": 0}, "gru: hidden_size is 0; give 1 or more"),
        ("gru", {"layers": 0}, "gru: layers is 0; give 1 or more"),
        ("caser", {"window": 0}, "caser: window is 0; give 1 or more"),
        ("caser", {"vertical": 0}, "caser: vertical is 0; give 1 or more"),
    ],
)
def test_impossible_settings_are_named(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        RANKERS.make(name, **settings)


@pytest.mark.parametrize("name", ["gru", "caser"])
def test_order_matters(name: str) -> None:
    """On a ring, i5 follows after i3, i4 rather than after i4, i3."""
    ranker = RANKERS.make(name, **quick(epochs=40, dropout=0.0, learning_rate=0.01))
    up, down = ranker.fit(small_shop(users=200), Run(seed=1)).score(Requests.sessions([["i3", "i4"], ["i4", "i3"]]))
    assert np.argmax(up) == 5
    assert up[5] > down[5]
