"""A folder's model of text and pictures, tiny and untaught, is taught by LoRA: the machinery, not what it can draw."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SourceError
from wareloom.language.quiet import still
from wareloom.shop.pictures import decode
from wareloom.synthesis import GivenPictures
from wareloom.synthesis.images import PictureSynthesizer
from wareloom.testing.made_pictures import pictured

RUN = Run(seed=1, threads=1)
pytest.importorskip("diffusers")
pytest.importorskip("peft")


def tiny_model(folder: Path) -> Path:
    """A model of the layout of Stable Diffusion, whose words are letters."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
    from diffusers import UNet2DConditionModel as UNet
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder.mkdir()
    signs = [chr(code) for code in range(33, 127)]
    words = [*signs, *(f"{sign}</w>" for sign in signs), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    last = len(words) - 1
    with torch.random.fork_rng(), still():
        torch.manual_seed(1)
        named = (str(folder / "vocab.json"), str(folder / "merges.txt"))
        text = CLIPTextConfig(
            vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=32, bos_token_id=last - 1,
            eos_token_id=last, pad_token_id=last,
        )  # fmt: skip
        unet = UNet(
            sample_size=8, block_out_channels=(8, 16), layers_per_block=1, cross_attention_dim=16,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), norm_num_groups=4,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), attention_head_dim=4,
        )  # fmt: skip
        vae = AutoencoderKL(
            block_out_channels=(8, 16), down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=4,
        )  # fmt: skip
        StableDiffusionPipeline(
            vae=vae,
            text_encoder=CLIPTextModel(text),
            tokenizer=CLIPTokenizer(*named, model_max_length=32),
            unet=unet,
            scheduler=DDIMScheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore")
def test_a_folder_is_taught_and_draws(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "model")
    settings = {"folder": str(folder), "steps": 2, "batch_size": 4, "denoising": 2}
    made = SYNTHESIZERS.make("image_diffusion", **settings)
    # Past the refusal, which tests/unit/test_pictures_made.py looks at: on a CPU this one is small enough.
    PictureSynthesizer.fit(made, pictured(), RUN)
    assert made.taught_["steps"] == 2
    assert any(np.abs(w).max() > 0 for name, w in made.weights_.items() if "lora_B" in name), (
        "LoRA begins with zeros there, and learned nothing"
    )
    sample = made.sample(2, RUN, GivenPictures(("bar",)))
    first, other = sample.table("images")["image"].to_list()
    assert (decode(first, 16) != decode(other, 16)).any()
    made.save(tmp_path / "kept")
    again = SYNTHESIZERS.restore(tmp_path / "kept")
    assert again.sample(2, RUN, GivenPictures(("bar",))).fingerprint == sample.fingerprint
    (folder / "model_index.json").write_text("{}")
    with pytest.raises(SourceError, match=r"holds no model in diffusers' layout|has no unet"):
        PictureSynthesizer.fit(made, pictured(), RUN)
