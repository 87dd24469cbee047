"""A variational autoencoder of what users choose, sampled into shoppers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, Share, ShareBelowOne
from wareloom.neural.training import seeded
from wareloom.neural.weights import arrays
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.behaviour._coder import Coder, Coding
from wareloom.synthesis.behaviour._latent import UserBlock, walked
from wareloom.synthesis.behaviour._learned_from import active
from wareloom.synthesis.behaviour._vectors import back, scale, space
from wareloom.synthesis.behaviour._walk import Plan
from wareloom.synthesis.behaviour.markov import Markov


@dataclass(kw_only=True, eq=False)
class VAE(Coding, Markov):
    """Shoppers whose items are drawn together from a latent vector: a multinomial autoencoder with an annealed prior.

    An encoder reads which items a user had, a decoder gives the chances of all items; what is learned is the likelihood
    of a user's items less `beta` times the divergence of the latent vector from a standard normal, with `beta` rising
    over the training. A shopper's vector is that of a real user drawn at random, with the encoder's noise, or a draw
    from the normal; where structure is nobody's ("learned"), a draw from the normal with the users' mean and
    covariance. Structure, clock, kinds and repeats are those of `markov`: of several items that it might put into an
    outline one is taken by how much likelier the vector makes it than popularity does; in chains new items are drawn
    from the decoder, none twice. Given histories, and items to begin with, are read by the encoder. Trained on one
    thread, so that the same seed gives the same bytes on any machine. Liang et al. (2018); Kingma and Welling (2014).
    """

    quick: ClassVar[Mapping[str, Any]] = {"epochs": 3, "hidden_size": 8, "latent_size": 4}

    beta: NonNegative = 0.2
    """Weight of the divergence at the end; 1 is the evidence bound."""
    anneal: Share = 0.5
    """Share of the training over which `beta` rises from 0."""
    latent: Literal["users", "prior"] = "users"
    """Whether a shopper starts from a real user's vector, close to the shop, or from the prior, far from users."""
    temperature: Positive = 1.0
    """Below 1 likely items are drawn more often."""
    dropout: ShareBelowOne = 0.5
    """Share of a user's items that are hidden from the encoder while it learns."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn structure and clock as `markov` does, and the autoencoder."""
        super().fit(shop, run)
        run = (run or Run()).with_(threads=1)
        log = active(Log.of(shop))
        with run.limits(), seeded(run, "vae"):
            net, self.training_ = self.fitted_coder(log, run, "vae", self.anneal)
            self.weights_ = arrays(net)
            mean, spread = net.read(log.offsets, log.item)
            if self._keeps_vectors():
                self.mean_, self.spread_ = mean, spread
            else:
                self.space_ = space(mean, spread)
        vars(self).pop("_net", None)
        return self

    def _keeps_vectors(self) -> bool:
        """Whether users' own vectors are kept: not where structure is nobody's either."""
        return self.latent == "users" and self.structure != "learned"

    def holds(self) -> Keeps:
        """What it keeps of the users: outlines and vectors are people."""
        return "people" if self._keeps_vectors() else super().holds()

    @cached_property
    def _net(self) -> Coder:
        """The coder, built anew once from the saved weights: a live session has no time for it."""
        return self.coder(len(self.catalogue_), self.weights_)

    def _walked(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        net, rng, n = self._net, run.rng("vae", "latent"), len(plan.offsets) - 1
        noise = rng.standard_normal((n, self.latent_size)).astype(np.float32)
        own = self._keeps_vectors()
        whose = rng.integers(len(self.mean_), size=n) if own else np.zeros(n, np.int64)

        def latents(asked: UserBlock) -> np.ndarray:
            if own:
                mean, spread = self.mean_[whose[asked.rows]], self.spread_[whose[asked.rows]]
            elif self.latent == "prior":
                mean, spread = np.zeros_like(noise[asked.rows]), np.ones_like(noise[asked.rows])
            else:
                mean = back(
                    self.space_, noise[asked.rows] @ (self.space_[1:].T / scale(self.space_))
                )
                spread = np.zeros_like(mean)
            if asked.known.any():
                mean[asked.known], spread[asked.known] = net.read(asked.offsets, asked.item)
            return mean + spread * noise[asked.rows]

        return walked(self, plan, latents, run)
