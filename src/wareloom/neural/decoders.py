"""Teaching a decoder what to answer: by LoRA, AdaLoRA, a prefix, adapters or all its weights; loss on answers alone."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wareloom.core.run import Run
from wareloom.errors import SettingError, missing_extra
from wareloom.neural import torch
from wareloom.neural.training import Training, train
from wareloom.neural.tuning import NEAR, hang_adapters

DecoderTuning = Literal["lora", "adalora", "adapter", "prefix", "full"]
Pair = tuple[list[int], list[int]]
"""Tokens of a prompt, one at least, and of the answer to it, its end included"""
RATES = {"lora": 1e-3, "adalora": 3e-3, "adapter": 1e-3, "prefix": 1e-2, "full": 1e-4}
"""Learning rates that suit each tuning"""
ASKED = (
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "qkv_proj",
    "query_key_value",
    "attn.c_attn",
    "attn.c_proj",
)
"""Ends of the names of the projections of attention, which LoRA changes: Llama and its kin, Phi, NeoX, GPT-2"""
AFTER = ("self_attn.o_proj", "mlp.down_proj")
"""Ends of the names of what closes a layer's attention and its perceptron: Llama, Qwen, Gemma, Mistral"""
EVALUATIONS = 10
POOL = 50
"""Batches out of whose pairs those of like length are brought together"""
UPRIGHT = 0.1
"""Weight of the penalty that keeps AdaLoRA's vectors at right angles; the paper's"""
WIDER = 1.5
"""Rank at which AdaLoRA begins, in those it ends with"""


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """How long and how fast pairs are learned."""

    learning_rate: float
    epochs: int = 1
    """Passes over the pairs, at most."""
    batch_size: int = 16
    """Pairs an update."""
    weight_decay: float = 0.0
    patience: int = 3
    """Evaluations, of ten in all, without a better value after which it stops; 0 never stops early."""

    def updates(self, pairs: int) -> int:
        """Return the updates that so many pairs take."""
        return self.epochs * -(-pairs // self.batch_size)


class DecoderNetwork(torch.nn.Module):  # type: ignore[misc]
    """A causal language model of Transformers, tuned in place. Its state is what is learned alone.

    `size` is the rank of LoRA, the mean rank AdaLoRA ends with in `updates` updates, the bottleneck of adapters or the
    length of the prefix. LoRA (Hu et al. 2021; of the projections `ASKED`, scaled by 2), AdaLoRA (Zhang et al. 2023)
    and the prefix (Li and Liang 2021) are PEFT's. `model` is what texts are drawn from. `who` asks, as in "synthesizer
    'tuned'"; `SettingError` where the kind of decoder cannot be tuned so.
    """

    def __init__(
        self, decoder: Any, tuning: DecoderTuning, size: int, who: str, updates: int = 1
    ) -> None:
        super().__init__()
        decoder.requires_grad_(tuning == "full")
        # In a list it is no second path to the same weights.
        self._peft: list[Any] = []
        self.model: Any = decoder
        if tuning == "adapter":
            if not any(name.endswith(AFTER) for name, _ in decoder.named_modules()):
                raise _unknown(decoder, tuning, who)
            hang_adapters(decoder, AFTER, size, who)
        elif tuning == "prefix":
            self.model = Prefixed(_by_peft(decoder, tuning, size, updates, who))
        elif tuning != "full":
            self._peft.append(_by_peft(decoder, tuning, size, updates, who))
        self.ranks = Ranks(self._peft[0].base_model) if tuning == "adalora" else None
        _check_head(self, who)

    @property
    def decoder(self) -> Any:
        """The decoder itself, below a prefix."""
        return self.model.peft.get_base_model() if isinstance(self.model, Prefixed) else self.model

    def logits(self, words: Any, row: Any, place: Any) -> Any:
        """Return what the decoder says after some places: float32 [places, words] of the tokens [rows, longest].

        The head, a fifth of a small decoder's work, sees these places alone. Padding stands on the right, where no
        place before it sees it.
        """
        decoder, past = (
            self.decoder,
            self.model.past(len(words)) if isinstance(self.model, Prefixed) else None,
        )
        # A prefix leaves a text at the places it was trained at.
        where = torch.arange(words.shape[1], device=words.device).expand(len(words), -1)
        how = {"past_key_values": past, "position_ids": where} if past is not None else {}
        states = decoder.base_model(
            input_ids=words, use_cache=past is not None, **how
        ).last_hidden_state
        said = decoder.get_output_embeddings()(states[row, place]).float()
        cap = getattr(decoder.config, "final_logit_softcapping", None)
        return torch.tanh(said / cap) * cap if cap else said

    def answer_loss(self, batch: dict[str, Any]) -> Any:
        """Mean negative log-probability of the tokens of the answers, of a batch that `laid_out` gave."""
        said = self.logits(batch["words"], batch["row"], batch["place"])
        return torch.nn.functional.cross_entropy(said, batch["answer"])

    def loss(self, batch: dict[str, Any]) -> Any:
        """What training lowers: the loss on the answers, and AdaLoRA's penalty."""
        loss = self.answer_loss(batch)
        return loss if self.ranks is None else loss + UPRIGHT * self.ranks.slant()

    def merged(self) -> Any:
        """Fold LoRA into the decoder's own weights, and return it; other tunings stay as they are."""
        if self._peft:
            self.model, self.ranks = self._peft.pop().merge_and_unload(), None
        return self.model

    def state_dict(self, *args: Any, **named: Any) -> Any:
        """The learned weights by name, and how far AdaLoRA has come."""
        whole = super().state_dict(*args, **named)
        learned = {name for name, value in self.named_parameters() if value.requires_grad}
        own = {name: value for name, value in whole.items() if name in learned}
        return own | (self.ranks.so_far() if self.ranks is not None else {})

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        """Put back what `state_dict` gave."""
        if self.ranks is not None:
            self.ranks.go_on_from(
                {name: value for name, value in state.items() if name.startswith(Ranks.MARK)}
            )
        own = {name: value for name, value in state.items() if not name.startswith(Ranks.MARK)}
        learned = {name for name, value in self.named_parameters() if value.requires_grad}
        if strict and set(own) != learned:
            raise ValueError(f"not the learned weights: {sorted(set(own) ^ learned)[:3]}")
        return super().load_state_dict(own, strict=False, assign=assign)


class Prefixed(torch.nn.Module):  # type: ignore[misc]
    """A decoder each of whose layers attends to learned keys and values before the text. Li and Liang (2021).

    It is called as the decoder is; masks and places are those of the text alone.
    """

    def __init__(self, peft: Any) -> None:
        super().__init__()
        self.peft = peft
        with torch.no_grad():
            peft.prompt_encoder["default"].embedding.weight.mul_(NEAR)

    @property
    def config(self) -> Any:
        """The decoder's."""
        return self.peft.get_base_model().config

    def past(self, rows: int) -> Any:
        """Return the keys and values of the prefix, for so many texts."""
        return self.peft.get_prompt(batch_size=rows)

    def forward(self, input_ids: Any, past_key_values: Any = None, **named: Any) -> Any:
        """Read tokens; an empty cache is given the prefix first."""
        attention_mask, position_ids = (
            named.pop("attention_mask", None),
            named.pop("position_ids", None),
        )
        rows, size = len(input_ids), self.peft.active_peft_config.num_virtual_tokens
        if past_key_values is not None and not past_key_values.get_seq_length():
            for number, layer in enumerate(self.past(rows).layers):
                past_key_values.update(layer.keys, layer.values, number)
            if position_ids is None:
                position_ids = torch.arange(input_ids.shape[1], device=input_ids.device).expand(
                    rows, -1
                )
        if attention_mask is not None:
            attention_mask = torch.cat([attention_mask.new_ones(rows, size), attention_mask], 1)
        return self.peft.get_base_model()(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            **named,
        )


class Ranks:
    """Which ranks AdaLoRA keeps, and what that hangs on, so that a stopped training goes on with the same."""

    MARK = "ranks/"
    KINDS = ("ipt", "exp_avg_ipt", "exp_avg_unc")

    def __init__(self, tuner: Any) -> None:
        self.tuner, self.step = tuner, 0

    def update(self, _: int) -> None:
        """Look at the gradients of an update, and silence the ranks that matter least."""
        self.tuner.update_and_allocate(self.step)
        self.step += 1

    def slant(self) -> Any:
        """How far the vectors of each matrix are from right angles: the mean Frobenius norm of XᵀX − 1."""
        parts = []
        for name, weight in self.tuner.model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                product = weight @ weight.T if "lora_A" in name else weight.T @ weight
                parts.append(
                    torch.linalg.norm(product - torch.eye(len(product), device=product.device))
                )
        return torch.stack(parts).mean()

    def so_far(self) -> dict[str, Any]:
        """Return its state as tensors by name."""
        allocator = self.tuner.rankallocator
        found = {
            f"{kind}/{name}": value
            for kind in self.KINDS
            for name, value in getattr(allocator, kind).items()
        }
        kept = self._config().rank_pattern or {}
        found |= {
            f"kept/{name}": torch.tensor(flags, dtype=torch.uint8) for name, flags in kept.items()
        }
        return {
            f"{self.MARK}{name}": value
            for name, value in (found | {"step": torch.tensor(self.step)}).items()
        }

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Put back what `so_far` gave."""
        parted = [name.split("/", 2) for name in state]
        for kind in self.KINDS:
            own = {name[2]: state["/".join(name)].clone() for name in parted if name[1] == kind}
            setattr(self.tuner.rankallocator, kind, own)
        kept = {
            name[2]: state["/".join(name)].bool().tolist() for name in parted if name[1] == "kept"
        }
        self._config().rank_pattern = kept or None
        self.step = int(state[f"{self.MARK}step"])

    def _config(self) -> Any:
        return self.tuner.peft_config["default"]


def laid_out(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Lay pairs out for the loss.

    `words` int64 [pairs, longest], padded on the right; `row` and `place` int64 [tokens], after which each token of
    the answers comes; `answer` int64 [tokens].
    """
    longest = max(len(prompt) + len(answer) for prompt, answer in pairs) - 1
    words = np.zeros((len(pairs), longest), dtype=np.int64)
    for number, (prompt, answer) in enumerate(pairs):
        words[number, : len(prompt) + len(answer) - 1] = [*prompt, *answer[:-1]]
    row = np.repeat(np.arange(len(pairs)), [len(answer) for _, answer in pairs])
    place = np.concatenate([len(prompt) - 1 + np.arange(len(answer)) for prompt, answer in pairs])
    answers = np.array([token for _, answer in pairs for token in answer], dtype=np.int64)
    laid = {"words": words, "row": row, "place": place.astype(np.int64), "answer": answers}
    return {name: torch.from_numpy(value) for name, value in laid.items()}


def by_length(sizes: np.ndarray, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield rows in batches of like size, the batches and what is pooled for them in random order."""
    order = rng.permutation(len(sizes))
    for start in range(0, len(order), POOL * batch_size):
        pool = order[start : start + POOL * batch_size]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        starts = np.arange(0, len(pool), batch_size)
        for first in rng.permutation(starts):
            yield pool[first : first + batch_size]


def teach(
    net: DecoderNetwork,
    pairs: Sequence[Pair],
    held: Sequence[Pair],
    how: Lessons,
    run: Run,
    checkpoint: Path | None = None,
) -> list[dict[str, float]]:
    """Teach `net` the answers of `pairs`; stops early by, and keeps the weights that are best on, those of `held`.

    With prompts of one mark and whole texts as answers this is causal pre-training. Returns loss and held-out value
    (mean log-probability of a token of the answers) at each evaluation; a stopped run goes on from `checkpoint`.
    """
    sizes = np.array([len(prompt) + len(answer) for prompt, answer in pairs])
    order = np.argsort([len(prompt) + len(answer) for prompt, answer in held], kind="stable")
    tests = [
        laid_out([held[i] for i in order[start : start + how.batch_size]])
        for start in range(0, len(order), how.batch_size)
    ]

    def batches(epoch: int) -> Iterator[dict[str, Any]]:
        for rows in by_length(sizes, how.batch_size, run.rng("lessons", epoch)):
            yield laid_out([pairs[i] for i in rows])

    def check() -> float:
        device = next(net.parameters()).device
        moved = [{name: value.to(device) for name, value in batch.items()} for batch in tests]
        losses = [float(net.answer_loss(batch)) for batch in moved]
        return -float(np.average(losses, weights=[len(batch["answer"]) for batch in moved]))

    updates = how.updates(len(pairs))
    plan = Training(
        learning_rate=how.learning_rate,
        epochs=EVALUATIONS,
        updates=updates,
        weight_decay=how.weight_decay,
        warmup=min(100, 1 + updates // 10),
        patience=how.patience if tests else 0,
    )
    after = net.ranks.update if net.ranks is not None else None
    return train(
        net,
        batches,
        net.loss,
        plan,
        run,
        check if tests else None,
        checkpoint=checkpoint,
        after=after,
    )


def _by_peft(decoder: Any, tuning: str, size: int, updates: int, who: str) -> Any:
    """Wrap a decoder by PEFT. AdaLoRA is wider at first; ranks go from a tenth of the updates on to two thirds."""
    try:
        import peft
    except ModuleNotFoundError as error:
        raise missing_extra("peft", "text", f"The {who} with tuning={tuning!r}") from error
    targets = [name for name, _ in decoder.named_modules() if name.endswith(ASKED)]
    if not targets:
        raise _unknown(decoder, tuning, who)
    both: dict[str, Any] = {
        "task_type": "CAUSAL_LM",
        "lora_dropout": 0.0,
        "target_modules": targets,
    }
    if tuning == "prefix":
        how: Any = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=size)
    elif tuning == "lora":
        how = peft.LoraConfig(r=size, lora_alpha=2 * size, **both)
    else:
        first = math.ceil(WIDER * size)
        times = {"total_step": updates, "tinit": updates // 10, "tfinal": updates // 3}
        both |= times | {"deltaT": max(1, updates // 50)}
        how = peft.AdaLoraConfig(init_r=first, target_r=size, lora_alpha=2 * first, **both)
    with warnings.catch_warnings():
        # PEFT 0.21 reads a name that Transformers 5 is about to drop.
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning
        )
        return peft.get_peft_model(decoder, how)


def _check_head(net: DecoderNetwork, who: str) -> None:
    """Refuse a decoder that does more to its logits than its head and a soft cap, which `logits` would leave out."""
    words = torch.tensor([[1, 2, 3]], device=next(net.parameters()).device)
    with torch.no_grad():
        whole = net.decoder(input_ids=words).logits[0].float()
        parts = net.logits(words, words.new_zeros(3), torch.arange(3, device=words.device))
    if not isinstance(net.model, Prefixed) and not torch.allclose(
        whole, parts, atol=1e-2 * float(whole.abs().max())
    ):
        raise _unknown(net.decoder, "any", who)


def _unknown(decoder: Any, tuning: str, who: str) -> SettingError:
    kind = getattr(decoder.config, "model_type", type(decoder).__name__)
    return SettingError(
        f"The {who}: tuning={tuning!r} does not know decoders of the kind {kind!r}: choose a decoder such as Llama, "
        "Qwen, Gemma or SmolLM" + ("." if tuning == "any" else ", or tuning='full'.")
    )
