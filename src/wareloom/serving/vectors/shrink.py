"""Smaller encoders of queries: fewer heads and neurons, fewer layers, weights that are zero; taught by the whole one.

Only queries are read by the small encoder: the items keep the vectors that the whole one gave them, so that nothing has
to be read anew, and what a student has to learn is where the teacher puts a query.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.language.encoder import words_of
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train

BATCH = 64
"""Texts an update"""
RATE = 2e-4
"""Highest step size of the re-training"""


def layers_of(network: Any) -> Any:
    """The layers of an encoder of BERT's kind; raises `SettingError` for another."""
    layers = getattr(getattr(network.encoder, "encoder", None), "layer", None)
    known = layers is not None and all(
        hasattr(one, "intermediate") and hasattr(getattr(one.attention, "self", None), "query")
        for one in layers
    )
    if not known:
        kind = getattr(network.encoder.config, "model_type", "?")
        raise SettingError(
            f"Pruning and distilling know encoders of BERT's kind, not {kind!r}: take --only int8."
        )
    return layers


def pruned(network: Any, texts: Sequence[str], pieces: Any, heads: float, neurons: float) -> Any:
    """A copy without a share of each layer's heads and of the neurons of its perceptron.

    Those go whose part in what the layer adds is smallest on `texts`: the norm of what goes in times that of the
    weights which read it, as Sun et al. (2023) rank single weights. `pieces` cuts texts into words.
    """
    made = copy.deepcopy(network)
    layers, norms = layers_of(made), dict[tuple[int, str], Any]()

    def watch(key: tuple[int, str]) -> Any:
        def seen(_: Any, given: tuple[Any, ...]) -> None:
            norms[key] = norms.get(key, 0.0) + given[0].detach().double().square().flatten(
                0, -2
            ).sum(0)

        return seen

    hooks = [
        module.register_forward_pre_hook(watch((n, name)))
        for n, layer in enumerate(layers)
        for name, module in (
            ("heads", layer.attention.output.dense),
            ("neurons", layer.output.dense),
        )
    ]
    with torch.inference_mode():
        for start in range(0, len(texts), BATCH):
            made(pieces(list(texts[start : start + BATCH])))
    for hook in hooks:
        hook.remove()
    for n, layer in enumerate(layers):
        own, size = layer.attention.self, layer.attention.self.attention_head_size
        closes = layer.attention.output.dense
        worth = (norms[n, "heads"] * closes.weight.double().square().sum(0)).view(-1, size).sum(1)
        stay = _best(worth, heads)
        columns = (stay[:, None] * size + torch.arange(size)).flatten()
        for name in ("query", "key", "value"):
            setattr(own, name, _rows(getattr(own, name), columns))
        layer.attention.output.dense = _columns(closes, columns)
        own.num_attention_heads, own.all_head_size = len(stay), len(columns)
        closes = layer.output.dense
        stay = _best(norms[n, "neurons"] * closes.weight.double().square().sum(0), neurons)
        layer.intermediate.dense = _rows(layer.intermediate.dense, stay)
        layer.output.dense = _columns(closes, stay)
    return made


def _best(worth: Any, share: float) -> Any:
    """Places of what stays where the least `share` goes, one at least, in order."""
    count = max(1, round(len(worth) * (1 - share)))
    return torch.sort(torch.topk(worth, count).indices).values


def _rows(linear: Any, kept: Any) -> Any:
    """A map that gives some of the numbers."""
    made = torch.nn.Linear(linear.in_features, len(kept))
    with torch.no_grad():
        made.weight.copy_(linear.weight[kept])
        made.bias.copy_(linear.bias[kept])
    return made


def _columns(linear: Any, kept: Any) -> Any:
    """A map that reads some of the numbers."""
    made = torch.nn.Linear(len(kept), linear.out_features)
    with torch.no_grad():
        made.weight.copy_(linear.weight[:, kept])
        made.bias.copy_(linear.bias)
    return made


def shallow(network: Any, layers: int) -> Any:
    """A copy with so many of its layers, evenly apart, the first and the last among them (Sanh et al. 2019)."""
    whole = layers_of(network)
    if not 1 <= layers < len(whole):
        raise SettingError(
            f"The encoder has {len(whole)} layers, and --layers is {layers}: give a number from 1 to {len(whole) - 1}."
        )
    made = copy.deepcopy(network)
    kept = np.linspace(0, len(whole) - 1, layers).round().astype(int) if layers > 1 else [0]
    made.encoder.encoder.layer = torch.nn.ModuleList([layers_of(made)[int(n)] for n in kept])
    made.encoder.config.num_hidden_layers = layers
    return made


def zeroed(network: Any, share: float) -> Any:
    """A copy in which the smallest weights of each map are 0: magnitude pruning (Han et al. 2015)."""
    made = copy.deepcopy(network)
    with torch.no_grad():
        for layer in layers_of(made):
            for module in layer.modules():
                if isinstance(module, torch.nn.Linear):
                    size = module.weight.abs()
                    bar = torch.quantile(size.flatten(), share)
                    module.weight[size < bar] = 0.0
    return made


def places(teacher: Any, texts: Sequence[str], pieces: Any) -> np.ndarray:
    """Where a network puts texts: float32 [texts, size]."""
    told = np.zeros((len(texts), teacher.encoder.config.hidden_size), dtype=np.float32)
    order = np.argsort([len(text) for text in texts], kind="stable")
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            told[rows] = teacher(pieces([texts[row] for row in rows])).numpy()
    return told


def taught(
    student: Any,
    told: np.ndarray,
    texts: Sequence[str],
    pieces: Any,
    updates: int,
    run: Run,
    who: str,
) -> list[dict[str, float]]:
    """Teach a student in place to put texts where its teacher does, `told`: by the squared distance of unit vectors.

    Returns the losses.
    """
    if not updates or not len(texts):
        return []
    student.requires_grad_(True)
    with seeded(run, "compress", who):

        def batches(epoch: int) -> Iterator[tuple[Any, Any]]:
            # Texts of like length go together, batches in any order.
            rng = run.rng("compress", who, "epoch", epoch)
            lengths = np.array([len(text) for text in texts]) + rng.random(len(texts))
            rows = np.argsort(lengths, kind="stable")
            starts = rng.permutation(np.arange(0, len(rows), BATCH))
            for start in starts:
                part = rows[start : start + BATCH]
                yield pieces([texts[row] for row in part]), torch.from_numpy(told[part])

        def loss(batch: tuple[Any, Any]) -> Any:
            words, wanted = batch
            return (student(words) - wanted).square().sum(1).mean()

        how = Training(
            learning_rate=RATE, epochs=4, updates=updates, warmup=min(50, 1 + updates // 10)
        )
        history = train(student, batches, loss, how, run)
    student.requires_grad_(False)
    return history


def cutter(tokenizer: Any, longest: int) -> Any:
    """What cuts texts into words for the networks."""
    return lambda texts: words_of(texts, tokenizer, longest)
