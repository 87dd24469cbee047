"""What is secret is not shown, in any of the forms in which it comes; all else stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wareloom.core.secrets import scrubbed, secrets_in


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:geheim@h:5432/d",
        "postgresql://u:ge/he@im@h/d geheim",
        "https://geheim@h/v1",
        "at https://h/v1?api_key=geheim&x=1",
        "https://h/v1?x=1&access_token=geheim",
        "https://h/v1?key=geheim",
        "https://h/v1?KEY=geheim;a=b",
        "https://h/v1?sig=geheim",
        "https://h/v1?client_secret=geheim",
        "https://h/v1?credentials_base64=geheim",
        "https://h/v1?X-Amz-Signature=geheim&X-Amz-Date=1",
        "host=h password=geheim user=u",
        "password = 'geheim'",
        '{"password": "geheim", "a": 1}',
        "{'api_key': 'geheim'}",
        "Authorization: Bearer geheimgeheim",
        "Incorrect API key provided: sk-proj-geheimgeheim123",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    assert "geheim" not in scrubbed(text, ["geheim"] if "ge/he@im" in text else ())


@pytest.mark.parametrize(
    "text",
    [
        "/data/shop/events.csv",
        "https://h/v1/chat/completions",
        "sqlite:////tmp/shop.db",
        "s3://bucket/prefix?versionId=3",
        "select user_id, monkey = 'x' from orders",
        "author=somebody keyboard=us tokenizer: jieba",
        "No ranker is called 'eas'. Did you mean 'ease'?",
    ],
)
def test_all_else_stays(text: str) -> None:
    assert scrubbed(text) == text


@given(st.text(min_size=3), st.text(), st.text())
def test_a_known_secret_is_never_in_it(secret: str, before: str, after: str) -> None:
    hidden = scrubbed(before + secret + after, [secret])
    # What is put in its place may spell a short one anew.
    assert secret not in hidden.replace("***", "\0") or "*" in secret


def test_secrets_of_an_address() -> None:
    assert secrets_in("postgresql://u:p%40w@h/d?token=t1&x=2") == ["p%40w", "p@w", "t1", "t1"]
    assert "word" in secrets_in("https://word@h/")
    assert secrets_in("https://h/v1?version=2") == []
    assert "a/b" in secrets_in("postgresql://u:a/b@h/d")
