"""Fitting a trained text encoder to a task by few weights: LoRA, bottleneck adapters, a prefix; or by all of them."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, Literal

import numpy as np

from wareloom.errors import SettingError, SourceError, missing_extra
from wareloom.neural import torch

Tuning = Literal["none", "lora", "adapter", "prefix", "full"]
AFTER = (
    "output.dense",
    "attention.attn.o",
    "attention.out_lin",
    "ffn.lin2",
    "attn.Wo",
    "mlp.Wo",
)
"""Ends of the names of what closes a layer's attention and its perceptron: BERT and its kin, MPNet, DistilBERT,
ModernBERT"""
ASKED = ("self.query", "self.value", "attn.q", "attn.v", "q_lin", "v_lin", "attn.Wqkv")
"""Ends of the names of the projections that LoRA changes: those of queries and values"""
READS = (".lora_A.", ".adapter.down.")
"""In the names of what reads for another matrix, which starts at nothing: what both change goes by the latter alone"""
NEAR = 0.1
"""Spread of a prefix at the start. At 1, PEFT's own start, MiniLM's vectors had a cosine of .92 with the encoder's, at
this .99."""


class Adapter(torch.nn.Module):  # type: ignore[misc]
    """Adds to a vector what a bottleneck makes of it, at first nothing. Houlsby et al. (2019)."""

    def __init__(self, size: int, bottleneck: int) -> None:
        super().__init__()
        self.down, self.up = torch.nn.Linear(size, bottleneck), torch.nn.Linear(bottleneck, size)
        torch.nn.init.normal_(self.down.weight, std=size**-0.5)
        for still in (self.down.bias, self.up.weight, self.up.bias):
            torch.nn.init.zeros_(still)

    def forward(self, x: Any) -> Any:
        """Vectors [..., size] → [..., size]."""
        # A decoder may compute in 16 bits around it.
        return x + self.up(torch.nn.functional.gelu(self.down(x.to(self.down.weight.dtype)))).to(
            x.dtype
        )


def tuned(encoder: Any, tuning: Tuning, size: int, who: str) -> Any:
    """Make `encoder` ready to be tuned, in place: what is to be learned asks for gradients, all else is frozen.

    `size` is LoRA's rank, an adapter's bottleneck or a prefix's length. LoRA (Hu et al. 2021, of the projections
    `ASKED`, scaled by 2) and the prefix (Li and Liang 2021) are PEFT's. PEFT has no bottleneck adapters: here one
    follows each attention and each perceptron, before the residual. Call what is returned. At first
    LoRA and adapters change nothing. `who` asks, as in "ranker 'bi_encoder'"; `SettingError` where the kind of encoder
    cannot be tuned so.
    """
    encoder.requires_grad_(False)
    if tuning == "full":
        for name, weight in encoder.named_parameters():
            weight.requires_grad_(not name.startswith("pooler."))
    if tuning == "adapter":
        hang_adapters(encoder, AFTER, size, who)
    return _by_peft(encoder, tuning, size, who) if tuning in ("lora", "prefix") else encoder


def tuned_weights(model: Any) -> dict[str, np.ndarray]:
    """Return the weights of `model` that are learned, by name, as new arrays."""
    return {
        k: v.detach().float().cpu().numpy().copy()
        for k, v in model.named_parameters()
        if v.requires_grad
    }


def put_weights(model: Any, weights: dict[str, np.ndarray], where: str) -> None:
    """Put what `tuned_weights` gave back; `SourceError` where names or shapes are not those of the model."""
    own = {name: value for name, value in model.named_parameters() if value.requires_grad}
    odd = sorted(set(own) ^ set(weights)) or [
        n for n in own if tuple(own[n].shape) != weights[n].shape
    ]
    if odd:
        raise SourceError(
            f"The weights of {where} do not fit their encoder: {odd[0]} ({len(odd)} in all)."
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.from_numpy(np.array(weights[name])))


def draw_back(model: Any, start: dict[str, np.ndarray], strength: float) -> None:
    """Leave the learned weights only the share `strength` of their way from `start`, as `tuned_weights` gave them.

    Weights between those before and after fine-tuning (WiSE-FT, Wortsman et al. 2022) keep most of what either knows.
    LoRA and adapters add the product of two maps, the second 0 at first: there the second alone is drawn back, so that
    what is added is exactly `strength` times as large.
    """
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad and not any(part in name for part in READS):
                before = torch.from_numpy(start[name]).to(value)
                value.copy_(before + strength * (value - before))


def hang_adapters(encoder: Any, after: tuple[str, ...], size: int, who: str) -> None:
    """Hang an adapter behind each module whose name ends so; their own weights and names stay as they are."""
    found = [
        module
        for name, module in encoder.named_modules()
        if name.endswith(after) and hasattr(module, "weight")
    ]
    if not found:
        raise _unknown(encoder, "adapter", who)
    for module in found:
        device = module.weight.device
        module.add_module("adapter", Adapter(module.out_features, size).to(device))
        module.register_forward_hook(lambda self, _, out: self.adapter(out))


def _by_peft(encoder: Any, tuning: Tuning, size: int, who: str) -> Any:
    try:
        from peft import LoraConfig, PrefixTuningConfig, TaskType, get_peft_model
    except ModuleNotFoundError as error:
        raise missing_extra("peft", "text", f"The {who} with tuning={tuning!r}") from error
    kind: Any = TaskType.FEATURE_EXTRACTION
    targets = [name for name, _ in encoder.named_modules() if name.endswith(ASKED)]
    if tuning == "prefix" and "past_key_values" in inspect.signature(encoder.forward).parameters:
        how: Any = PrefixTuningConfig(task_type=kind, num_virtual_tokens=size)
    elif tuning == "lora" and targets:
        how = LoraConfig(
            task_type=kind, r=size, lora_alpha=2 * size, lora_dropout=0.0, target_modules=targets
        )
    else:
        raise _unknown(encoder, tuning, who)
    with warnings.catch_warnings():
        # PEFT 0.21 reads a name that Transformers 5 is about to drop.
        warnings.filterwarnings(
            "ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning
        )
        model = get_peft_model(encoder, how)
    if tuning == "prefix":
        with torch.no_grad():
            model.prompt_encoder["default"].embedding.weight.mul_(NEAR)
        encoder.embeddings.register_forward_pre_hook(_from_the_first, with_kwargs=True)
    return model


def _from_the_first(
    _: Any, given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Leave a text at the positions it was trained at.

    PEFT hands the prefix over as a past, and an encoder counts positions from its end: ten places further on, with a
    prefix that says nothing, MiniLM's vectors had a cosine of only .86 to .91 with what they were.
    """
    return given, named | (
        {"past_key_values_length": 0} if "past_key_values_length" in named else {}
    )


def _unknown(encoder: Any, tuning: str, who: str) -> SettingError:
    kind = getattr(getattr(encoder, "config", None), "model_type", type(encoder).__name__)
    return SettingError(
        f"The {who}: tuning={tuning!r} does not know encoders of the kind {kind!r}: choose another tuning, such as "
        "'full', or an encoder such as BERT or RoBERTa."
    )
