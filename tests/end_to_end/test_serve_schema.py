"""A server against its own description, by Schemathesis with a fixed seed: no 5xx, no answer that it does not name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from test_serve import served

from stores import made_store

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
EXAMPLES = int(os.environ.get("WARELOOM_SCHEMA_EXAMPLES", "4"))
"""A route, for the fuzzing; 60 take about a minute"""
LIMITS = "^/(recommend|events|users)" if EXAMPLES < 20 else "^/"
"""Routes of which every limit of the description is tried"""


def tried(port: int, place: Path, *options: str) -> tuple[int, str]:
    """Exit code and report of a run, which leaves what it keeps in a folder."""
    command = [sys.executable, "-m", "schemathesis.cli", "run"]
    command += [f"http://127.0.0.1:{port}/openapi.json", "--seed", "22", "--no-shrink"]
    command += ["--checks", CHECKS, "--warnings", "off", "--max-examples", str(EXAMPLES)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=240, cwd=place
    )
    return done.returncode, done.stdout + done.stderr


def test_whatever_the_description_allows_or_forbids_is_answered_as_it_says(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    with served(made_store(tmp_path)) as (port, _):
        for options in (
            ("--phases", "coverage", "--include-path-regex", LIMITS),
            ("--phases", "fuzzing"),
        ):
            code, said = tried(port, tmp_path, *options)
            assert code == 0, said[-4000:]


def test_an_answer_that_the_description_does_not_name_is_found(tmp_path: Path) -> None:
    """A description that forgets a refusal: the same run must say so."""
    pytest.importorskip("schemathesis")
    with served(made_store(tmp_path)) as (port, _):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=10) as told:
            description = json.load(told)
        del description["paths"]["/recommend"]["post"]["responses"]["422"]
        place = tmp_path / "openapi.json"
        place.write_text(json.dumps(description))
        command = [sys.executable, "-m", "schemathesis.cli", "run", str(place), "--seed", "22"]
        command += ["--url", f"http://127.0.0.1:{port}", "--include-path", "/recommend"]
        command += ["--phases", "coverage", "--checks", CHECKS, "--max-failures", "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 1
    assert "422" in done.stdout
