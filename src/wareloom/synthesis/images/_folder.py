"""A model of text and pictures in a folder, such as Stable Diffusion, that is taught a shop's classes by LoRA."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, SourceError, needed
from wareloom.language.quiet import still
from wareloom.neural import torch
from wareloom.neural.training import seeded
from wareloom.shop.pictures import TRAINED, PictureError, encode, opened, squared
from wareloom.synthesis.images import MADE

RANK = 8
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]
"""Layers of the UNet's attention that are taught (Hu et al. 2022)"""
MOST = 2_000
"""Real pictures that are kept as latents, at most"""
LEARNING_RATE = 1e-4
GUIDANCE = 5.0
"""How far the text is followed: such models want more than small ones"""


def learn_folder(made: Any, files: Iterator[tuple[dict[str, Any], bytes]], run: Run) -> None:
    """Teach the folder's model the classes; leaves `weights_`, those of LoRA, and `taught_`.

    Raises `SourceError` where the folder holds no such model, `InputError` where no picture can be read.
    """
    peft = needed("peft", "text", "Teaching a folder's model")
    pipe = _pipe(made.folder, run)
    with seeded(run, made.name, "folder"):
        config = peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS)
        pipe.unet.add_adapter(config)
        latents, codes = _latents(made, pipe, files, run)
        words = [_words(pipe, prompt(kind), run) for kind in made.classes_]
        made.taught_ = _taught(made, pipe, (latents, codes, torch.cat(words)), run)
    found = peft.get_peft_model_state_dict(pipe.unet)
    made.weights_ = {name: value.detach().float().cpu().numpy() for name, value in found.items()}
    vars(made)["_pipe"] = pipe


def draw_folder(made: Any, classes: np.ndarray, run: Run) -> pl.DataFrame:
    """Draw a picture of each class with the model that was taught."""
    pipe = vars(made).get("_pipe")
    if pipe is None:
        peft = needed("peft", "text", "Teaching a folder's model")
        pipe = _pipe(made.folder, run)
        pipe.unet.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS))
        weights = {name: torch.from_numpy(np.array(v)) for name, v in made.weights_.items()}
        peft.set_peft_model_state_dict(pipe.unet, weights)
        pipe.unet.to(run.device)
        vars(made)["_pipe"] = pipe
    rows = []
    said = {
        "Software": f"wareloom {made.origin}",
        "Description": "For training only.",
        "source": TRAINED,
    }
    for place, one in enumerate(classes):
        kind = made.classes_[one]
        dice = torch.Generator("cpu").manual_seed(run.seed_for(made.name, "folder", place))
        with torch.inference_mode():
            picture = pipe(
                prompt(kind),
                num_inference_steps=made.denoising,
                guidance_scale=GUIDANCE,
                generator=dice,
            ).images[0]
        rows.append(
            (encode(np.asarray(picture.convert("RGB")), "PNG", said), kind, None, None, 0.0)
        )
    return pl.DataFrame(rows, schema=MADE, orient="row")


def prompt(kind: str) -> str:
    """What the model is told of a class."""
    return f"a photo of a product: {kind}"


def _pipe(folder: str, run: Run) -> Any:
    diffusers = needed("diffusers", "pictures", "A folder's model of pictures")
    needed("transformers", "text", "A folder's model of pictures")
    half = torch.float16 if run.device.startswith("cuda") else torch.float32
    try:
        with still():
            pipe = diffusers.DiffusionPipeline.from_pretrained(
                folder,
                local_files_only=True,
                torch_dtype=half,
                safety_checker=None,
                use_safetensors=True,
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(
            f"image_diffusion: folder={folder!r} holds no model in diffusers' layout (model_index.json, unet, vae, "
            f"text_encoder, as safetensors): {str(error).splitlines()[0]}"
        ) from error
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        if getattr(pipe, part, None) is None:
            raise SourceError(
                f"image_diffusion: the model in folder={folder!r} has no {part}: give one such as Stable Diffusion."
            )
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(run.device)


def _latents(
    made: Any, pipe: Any, files: Iterator[tuple[dict[str, Any], bytes]], run: Run
) -> tuple[Any, np.ndarray]:
    """The pictures as the model's own latents, on the device, and their classes."""
    factor = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
    side = int(pipe.unet.config.sample_size) * factor
    found, codes = list[Any](), list[int]()
    for row, data in itertools.islice(files, MOST):
        try:
            pixels = squared(opened(data, side=side), side, "pad")
        except PictureError:
            continue
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.inference_mode():
            code = pipe.vae.encode(x.to(run.device, pipe.vae.dtype)).latent_dist.sample()
        # Made outside of inference, so that gradients may pass beside it.
        found.append((code * pipe.vae.config.scaling_factor).clone().float().cpu())
        codes.append(made.classes_.index(row["class"]))
    if not found:
        raise InputError(f"The synthesizer {made.name!r} finds no picture that can be read.")
    return torch.cat(found), np.array(codes, dtype=np.int64)


def _words(pipe: Any, text: str, run: Run) -> Any:
    """What the text encoder makes of a prompt: [1, words, size]."""
    tokens = pipe.tokenizer(
        text,
        padding="max_length",
        max_length=pipe.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    with torch.no_grad():
        return pipe.text_encoder(tokens.to(run.device))[0]


def _taught(made: Any, pipe: Any, given: tuple[Any, np.ndarray, Any], run: Run) -> dict[str, Any]:
    """Train LoRA's weights until the steps, or the minutes, are over."""
    latents, codes, words = given
    taught = [p for p in pipe.unet.parameters() if p.requires_grad]
    for one in taught:
        # Half precision is too coarse for small steps.
        one.data = one.data.float()
    optimiser = torch.optim.AdamW(taught, lr=LEARNING_RATE, weight_decay=1e-2)
    scheduler, start, step, losses = pipe.scheduler, time.monotonic(), 0, list[float]()
    by_velocity = scheduler.config.get("prediction_type", "epsilon") == "v_prediction"
    signal = scheduler.alphas_cumprod.sqrt().to(run.device)
    spread = (1 - scheduler.alphas_cumprod).sqrt().to(run.device)
    half = run.device.startswith("cuda")
    with run.task(f"{made.name}: teaching {made.folder}", made.steps or None) as advance:
        while step < made.steps if made.steps else time.monotonic() - start < 60 * made.minutes:
            rng = run.rng(made.name, "folder", step)
            rows = rng.integers(0, len(latents), min(made.batch_size, len(latents)))
            x = latents[torch.from_numpy(rows)].to(run.device)
            noise = torch.randn(x.shape).to(run.device)
            when = torch.randint(0, len(signal), (len(x),)).to(run.device)
            a, b = signal[when][:, None, None, None], spread[when][:, None, None, None]
            with torch.autocast("cuda", torch.float16, enabled=half):
                told = words[torch.from_numpy(codes[rows]).to(words.device)]
                found = pipe.unet(a * x + b * noise, when, encoder_hidden_states=told).sample
            wanted = a * noise - b * x if by_velocity else noise
            loss = torch.nn.functional.mse_loss(found.float(), wanted)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(taught, 1.0)
            optimiser.step()
            step += 1
            losses.append(float(loss.detach()))
            advance(1, loss=losses[-1])
    return {"steps": step, "loss": [[step, round(float(np.mean(losses[-50:])), 6)]]}
