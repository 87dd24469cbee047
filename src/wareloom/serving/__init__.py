"""Serving: published versions answer searches and recommendations, and follow each shopper's last click.

What one request goes through stands here: `answer`, `asking` and `explain`, with what is asked and answered (`wire`)
and the settings (`config`). The rooms below, `web` above them, import downwards only (layers in `pyproject.toml`).
"""
