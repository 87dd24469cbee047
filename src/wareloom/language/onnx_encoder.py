"""Encoders computed by ONNX Runtime, in 32 bits or with weights of 8, exported from the folder where it brings none."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.files import beside
from wareloom.core.run import Run
from wareloom.errors import SettingError, missing_extra
from wareloom.language.encoder import States, fingerprint, load_encoder

SHIPPED = ("onnx/model.onnx", "model.onnx")
"""Where a folder may bring its encoder exported, as the sentence-transformers lay it out"""
INPUTS = ("input_ids", "attention_mask")
OPSET = 17
AT_ONCE = 16
"""Texts beyond which a batch is slower (measured on one core: 194 titles a second by 16, 136 by 64)"""


def states_by_onnx(folder: Path, bits: int, run: Run, who: str) -> States:
    """Return what computes the last layer's states of the encoder at `folder`, with weights of 32 or 8 bits.

    With 8 bits each column of a weight matrix is scaled by itself and activations as they come (dynamic quantisation).
    With `run.cache` what was exported is kept there. Raises `MissingExtraError` without the extra "onnx",
    `SettingError` on a device other than the processor.
    """
    try:
        import onnxruntime
        import torch
    except ModuleNotFoundError as error:
        raise missing_extra(
            str(error.name), "onnx", f"The {who} with runtime 'onnx' or 'int8'"
        ) from error
    if run.device != "cpu":
        raise SettingError(
            f"The {who}: ONNX Runtime computes on the processor here: on {run.device} take 'torch'."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = run.cores, 1
    with tempfile.TemporaryDirectory() as spare:
        path = _file(folder, bits, run, Path(spare), who)
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    wanted = [entry.name for entry in session.get_inputs()]

    def of(words: dict[str, Any]) -> Any:
        given = {name: np.asarray(words[name]) for name in wanted if name in words}
        # Exports of others may ask for the kinds of token, which are all alike.
        given |= {name: np.zeros_like(given["input_ids"]) for name in wanted if name not in given}
        return torch.from_numpy(session.run(None, given)[0])

    return States(of, session.get_outputs()[0].shape[-1])


def _file(folder: Path, bits: int, run: Run, spare: Path, who: str) -> Path:
    """Find the exported encoder: shipped, kept, or made now in the cache, else in the folder `spare`."""
    shipped = next((folder / name for name in SHIPPED if (folder / name).is_file()), None)
    if shipped and bits == 32:
        return shipped
    at = spare if run.cache is None else Path(run.cache) / "onnx"
    at.mkdir(parents=True, exist_ok=True)
    whole, small = (at / f"{fingerprint(folder)}-{bits}.onnx" for bits in (32, 8))
    wanted = whole if bits == 32 else small
    if wanted.exists():
        return wanted
    source = shipped or whole
    if not source.exists():
        with beside(whole) as partial:
            _export(folder, partial, run, who)
    if bits == 8:
        with beside(small) as partial:
            quantise(source, partial)
    return wanted


def _export(folder: Path, to: Path, run: Run, who: str) -> None:
    torch, _, model = load_encoder(folder, run, who)

    class LastLayer(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, words: Any, mask: Any) -> Any:
            return self.model(input_ids=words, attention_mask=mask).last_hidden_state

    export(LastLayer(), model, to, {"states": ("texts", "pieces")})


def export(network: Any, encoder: Any, to: Path, gives: dict[str, tuple[str, ...]]) -> None:
    """Write a network of torch, from input_ids and attention_mask, both int64 [texts, pieces], to the file `to`.

    `encoder` is the model of Hugging Face that is in it; `gives`: the output's name, and those of its open axes.
    Both are left as they are exported: with attention that ONNX has operators for.
    """
    import torch

    # Fused attention has no counterpart among ONNX's operators.
    encoder.set_attn_implementation("eager")
    example = torch.ones(2, 7, dtype=torch.int64)
    axes = {name: {0: "texts", 1: "pieces"} for name in INPUTS}
    axes |= {name: dict(enumerate(open_)) for name, open_ in gives.items()}
    with warnings.catch_warnings():
        # The exporter that traces is called old; the new one cannot leave the number of texts open.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (example, example),
            str(to),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(gives),
            dynamic_axes=axes,
        )


def quantise(source: Path, to: Path) -> None:
    """Write an encoder with weights of 8 bits, each column scaled by itself, activations as they come."""
    import logging

    from onnxruntime.quantization import quantize_dynamic

    # Its hints are about a step that changes nothing for an encoder.
    logging.disable(logging.WARNING)
    try:
        quantize_dynamic(str(source), str(to), per_channel=True)
    finally:
        logging.disable(logging.NOTSET)
