"""The encoding that is asked for where a text is not UTF-8, beside what it makes of the text."""

from __future__ import annotations

from pathlib import Path

import pytest

from wareloom.errors import SourceError
from wareloom.readers import read

TEXTS = {
    "gb18030": "商品ID,标题,价格\n1,绿茶礼盒装,20\n2,陶瓷杯子,33\n",
    "big5": "商品編號,標題,價格\n1,綠茶葉禮盒,20\n2,陶瓷杯子,33\n",
    "cp932": "商品,タイトル\n1,きれいな茶碗\n2,コーヒーカップ\n",
    "cp949": "상품,제목\n1,녹차 선물세트\n2,도자기 컵\n",
    "cp1250": "id,nazwa\n1,Żółty kubek świąteczny\n2,Łyżka srebrna ćwierć\n",
    "cp1251": "id,название\n1,Чайник зелёный\n2,Кружка большая\n",
    "cp1252": "id,titre\n1,Théière émaillée à fleurs\n2,Crème brûlée\n",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_common_encoding_is_named_beside_what_it_reads(tmp_path: Path, encoding: str) -> None:
    """A person sees the first line that is more than ASCII, and the setting to add."""
    text = TEXTS[encoding]
    (tmp_path / "items.csv").write_bytes(text.encode(encoding))
    with pytest.raises(SourceError) as caught:
        read(tmp_path / "items.csv", to=tmp_path / "shop")
    seen = next(line for line in text.splitlines() if not line.isascii())
    assert f"{encoding} would read “{seen}”" in str(caught.value)
    assert f"add --set encoding={encoding}." in str(caught.value)


def test_german_codes_and_prices_are_not_taken_for_cyrillic(tmp_path: Path) -> None:
    """A list of parts has few words; a word of letters of two scripts shows that it is read wrongly."""
    line = "P-1;Größe-Adapter M20x26;Lager;Würth;6.321,43 €"
    (tmp_path / "Artikel.csv").write_bytes(f"Nr;Name;Gruppe;Marke;Preis\n{line}\n".encode("cp1252"))
    with pytest.raises(SourceError, match=f"cp1252 would read “{line}”"):
        read(tmp_path / "Artikel.csv", to=tmp_path / "shop")


def test_russian_names_beside_latin_codes_stay_cyrillic(tmp_path: Path) -> None:
    text = "id,название,марка\n1,Кружка LED большая,Звезда\n2,Чайник зелёный USB,Ромашка\n"
    (tmp_path / "items.csv").write_bytes(text.encode("cp1251"))
    with pytest.raises(SourceError, match="cp1251 would read"):
        read(tmp_path / "items.csv", to=tmp_path / "shop")


def test_bytes_that_fit_no_common_encoding_get_the_setting_and_names(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_bytes(b"id,title\n1," + bytes(range(128, 256)) * 3 + b"\n")
    with pytest.raises(SourceError, match=r"--set encoding=NAME, for example gb18030"):
        read(tmp_path / "items.csv", to=tmp_path / "shop")
