"""The base of networks that make pictures from scratch: what they are shown, for how long, and what comes out."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, Size
from wareloom.errors import InputError, needed, require
from wareloom.neural import torch
from wareloom.neural.checkpoint import Progress, kept_at, load_checkpoint, save_checkpoint
from wareloom.neural.training import seeded
from wareloom.neural.weights import arrays, loaded
from wareloom.shop import Shop
from wareloom.shop.pictures import TRAINED, encode
from wareloom.synthesis.images import MADE
from wareloom.synthesis.images._conditions import ASPECTS, dominant, shape_of

if TYPE_CHECKING:
    from wareloom.synthesis.images import PictureSynthesizer as Base
else:
    Base = object
FEWEST = 8
"""Real pictures that something is learned from, at least"""
CHECK = 50
"""Steps after which the clock is looked at, and the state kept where the run has a cache"""
DRAWN = 16
"""Pictures that are made at once: more no longer fit a processor's nearest memory, and take longer each"""
LAST = torch.channels_last
"""Colours side by side in memory: a processor's convolutions take a third less time so"""
CLIP = 1.0
"""Largest norm of the gradient"""
WARM = 100
"""Steps over which the learning rate rises"""


class Scratch(Base):
    """What networks share that learn from real pictures and make others from scratch; mixed in before the base.

    They learn for so many `minutes`, or `steps` where these are given, and go on where they stopped if the run has a
    cache. With `steps` the same seed gives the same bytes: one thread then learns and draws. One implements `_network`,
    `_losses` and `_drawn`. Concrete classes carry the settings below.
    """

    side: Size
    minutes: Positive
    steps: Count
    batch_size: Size
    learning_rate: Positive
    average: NonNegative
    flip: bool

    @abstractmethod
    def _network(self) -> Any:
        """The module that is trained; what samples is its part `average.net`."""

    @abstractmethod
    def _losses(self, net: Any, x: Any, what: Any, step: int) -> Any:
        """The loss of a batch of pictures, [-1, 1] as float [n, 3, side, side], for what is told, int64 [n, 3]."""

    @abstractmethod
    def _drawn(self, net: Any, what: Any, noise: np.random.Generator) -> Any:
        """Pictures for what is told, in [-1, 1]: float [n, 3, side, side]."""

    def _groups(self, net: Any) -> list[dict[str, Any]]:
        """Parameters by learning rate."""
        return [{"params": [p for p in net.parameters() if p.requires_grad]}]

    def _steady(self, run: Run) -> Run:
        """The run with one thread where bytes shall not hang on how many there are."""
        return run.with_(threads=1) if self.steps else run

    def _check(self) -> None:
        require(
            self.name,
            "side",
            self.side,
            self.side % 16 == 0 and self.side <= 64,
            "16, 32, 48 or 64",
        )

    def _learn(self, shop: Shop, chosen: pl.DataFrame, run: Run) -> None:
        real = self._decoded(shop, chosen, self.side, run)
        if len(real.pixels) < FEWEST:
            raise InputError(
                f"The synthesizer {self.name!r} learns from {FEWEST} pictures or more; there are {len(real.pixels)}."
            )
        what = [real.classes, dominant(real.pixels), shape_of(real.aspect)]
        self.told_ = np.stack(what, axis=1).astype(np.int64)
        with seeded(self._steady(run), self.name, "training"):
            net = self._network().to(run.device, memory_format=LAST)
            self.taught_ = self._taught(net, real.pixels, run)
            self.weights_ = arrays(net.average.net)
        vars(self).pop("_net", None)

    def _taught(self, net: Any, pixels: np.ndarray, run: Run) -> dict[str, Any]:
        """Train until the steps, or the minutes, are over; returns how many steps it took and the last losses."""
        optimiser = torch.optim.AdamW(
            self._groups(net), lr=self.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4
        )
        place = kept_at(run, [self.name, self._kept_by()], [pixels, self.told_])
        at, history = Progress(), list[Any]()
        if place is not None and place.exists():
            at, _, history = load_checkpoint(place, net, optimiser)
            net.average.count = self._averaged(at.step)
        before = float(history[-1]["seconds"]) if history else 0.0
        start, total = time.monotonic(), self.steps or None
        data = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        what = torch.from_numpy(self.told_)
        scale = [group["lr"] / self.learning_rate for group in optimiser.param_groups]
        with run.task(f"{self.name}: training", total) as advance:
            while not self._over(at.step, before + time.monotonic() - start):
                rows = self._rows(len(pixels), at.step, run)
                x = self._batch(data, rows, at.step, run).to(run.device)
                for group, times in zip(optimiser.param_groups, scale, strict=True):
                    group["lr"] = self.learning_rate * times * min(1.0, (at.step + 1) / WARM)
                loss = self._losses(net, x, what[rows].to(run.device), at.step)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(
                    [p for p in net.parameters() if p.grad is not None], CLIP
                )
                optimiser.step()
                self._followed(net, at.step)
                at.step += 1
                at.running += float(loss.detach())
                advance(1, loss=float(loss.detach()))
                if at.step % CHECK == 0:
                    seconds = before + time.monotonic() - start
                    history.append(
                        {"step": at.step, "loss": at.running / CHECK, "seconds": seconds}
                    )
                    at.running = 0.0
                    if place is not None:
                        save_checkpoint(place, net, optimiser, at, None, history)
        if place is not None and history:
            save_checkpoint(place, net, optimiser, at, None, history)
        return {"steps": at.step, "loss": [[h["step"], round(h["loss"], 6)] for h in history]}

    def _kept_by(self) -> dict[str, Any]:
        """The settings that decide what a step does: not how long it goes on."""
        rest = ("minutes", "steps", "pictures")
        return {name: v for name, v in self.settings().items() if name not in rest}

    def _over(self, step: int, seconds: float) -> bool:
        if self.steps:
            return step >= self.steps
        return step > 0 and seconds >= 60 * self.minutes

    def _rows(self, n: int, step: int, run: Run) -> np.ndarray:
        """Places of a batch: pass after pass over all pictures, each pass in an order of its own."""
        first = step * self.batch_size
        places = np.arange(first, first + self.batch_size)
        orders = {
            turn: run.rng(self.name, "order", int(turn)).permutation(n)
            for turn in np.unique(places // n)
        }
        return np.array([orders[place // n][place % n] for place in places])

    def _batch(self, data: Any, rows: np.ndarray, step: int, run: Run) -> Any:
        x = data[torch.from_numpy(rows)].float() / 127.5 - 1
        if self.flip:
            turned = run.rng(self.name, "flip", step).random(len(rows)) < 0.5
            x = torch.where(torch.from_numpy(turned)[:, None, None, None], x.flip(3), x)
        return x.contiguous(memory_format=LAST)

    def _averaged(self, steps: int) -> int:
        """How often the average was taken after so many steps."""
        return steps

    def _followed(self, net: Any, step: int) -> None:
        """Take the weights into their average."""
        net.average.follow(net.net)

    @cached_property
    def _net(self) -> Any:
        """The network that samples, built anew once from the saved weights."""
        return loaded(self._network().average.net, self.weights_)

    def _make(self, classes: np.ndarray, run: Run) -> pl.DataFrame:
        net = self._net.to(run.device, memory_format=LAST)
        rng, parts = run.rng(self.name, "told"), list[np.ndarray]()
        of_class = [np.flatnonzero(self.told_[:, 0] == c) for c in range(len(self.classes_))]
        # Colour and shape come together, as some real picture of the class has them.
        rows = np.array([of_class[c][rng.integers(len(of_class[c]))] for c in classes])
        what = self.told_[rows]
        with seeded(self._steady(run), self.name, "drawn"), torch.inference_mode():
            for start in range(0, len(what), DRAWN):
                noise = run.rng(self.name, "noise", start)
                told = torch.from_numpy(what[start : start + DRAWN]).to(run.device)
                made = self._drawn(net, told, noise).float().cpu().clamp(-1, 1)
                pixels = ((made + 1) * 127.5).round().to(torch.uint8)
                parts.append(pixels.permute(0, 2, 3, 1).numpy())
        self._net.to("cpu")
        rows_made = zip(
            _written(np.concatenate(parts), what[:, 2], self.origin), classes, strict=True
        )
        return pl.DataFrame(
            [(data, self.classes_[c], None, None, 0.0) for data, c in rows_made],
            schema=MADE,
            orient="row",
        )


def _written(pixels: np.ndarray, shapes: np.ndarray, origin: str) -> Iterator[bytes]:
    """The files of pictures, each brought to its shape by making one side longer."""
    image = needed("PIL.Image", "images", "Writing pictures")
    said = {
        "Software": f"wareloom {origin}",
        "Description": "For training only.",
        "source": TRAINED,
    }
    side = pixels.shape[1]
    for one, shape in zip(pixels, shapes, strict=True):
        aspect = ASPECTS[shape]
        size = (side, round(side / aspect)) if aspect < 1 else (round(side * aspect), side)
        made = image.fromarray(one).resize(size, 2) if aspect != 1 else image.fromarray(one)
        yield encode(np.asarray(made), "PNG", said)
