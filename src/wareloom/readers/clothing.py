"""Photos in folders by class, with or without a table of labels: a folder or an archive of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError, near
from wareloom.readers import Intake, Reader
from wareloom.readers._labels import SPLITS, labels_of
from wareloom.readers._pictures import (
    ARCHIVES,
    Found,
    files_of,
    is_picture,
    staged,
    stem,
    told_purpose,
)

LABELS = ("labels.csv", "labels.tsv", "images.csv")
LOOK = 400
"""Files that are looked at to tell the format"""
EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR4nGM8ISfHgA0wYRUdtBIA0MoBFD5jqJkAAAAASUVORK5CYII="


@dataclass(kw_only=True, eq=False)
class Clothing(Reader):
    """Photos in folders CLASS/NAME.jpg or PART/CLASS/NAME.jpg, or with a table labels.csv that names the class of each.

    The source is a folder, or a tar or zip archive, which is read from one end to the other and never unpacked. Each
    photo is an item unless labels.csv has a column item_id; the class is its category, the part its attribute `split`,
    other columns of labels.csv are attributes. A photo that cannot be used is set aside with the reason.
    """

    generality: ClassVar[int] = 4
    example: ClassVar[dict[str, str]] = {
        "labels.csv": "image,label\na,hat\nb,shirt\n",
        "a.png": EXAMPLE,
        "b.png": EXAMPLE,
    }

    encoding: str = "utf-8"
    """The encoding of labels.csv, for example gb18030."""
    split: str = ""
    """Read the photos of this part alone, such as train; all where empty."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether there are pictures, no other table than one of labels, and labels or folders of classes."""
        try:
            names = _some_names(Path(source)) if "://" not in source else []
        except (SourceError, OSError, ValueError):
            return False
        shown = [name for name in names if is_picture(name)]
        tables = [name for name in names if name.lower().endswith((".csv", ".tsv", ".parquet"))]
        labelled = any(PurePosixPath(name).name.lower() in LABELS for name in tables)
        return (
            bool(shown)
            and len(tables) == labelled
            and (labelled or 2 * sum("/" in name for name in shown) > len(shown))
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return the items and their images; raises `SourceError` where there is no picture."""
        others: dict[str, bytes] = {}
        part = SPLITS.get(self.split.lower(), self.split)

        def other(name: str, data: bytes) -> None:
            if PurePosixPath(name).name.lower() in LABELS:
                others[name] = data
            else:
                intake.not_recognised.setdefault(PurePosixPath(name).name, [])

        frame = staged(files_of(Path(source), other), intake, self._wanted(intake))
        if frame is None:
            raise SourceError(
                f"{source} holds no picture{f' of the part {self.split!r}' * bool(self.split)}: name a folder or "
                "archive of folders by class."
            )
        head = frame.drop("image").with_row_index("source_row", offset=1).collect()
        told = _by_folder(head)
        rest = told.clear()
        if others:
            labels = labels_of(others, self.encoding, intake)
            told, rest = _by_labels(told, labels, intake)
            if part:
                # Pictures of other parts were not looked at: that labels name them is no fault.
                of_part = pl.col("split") == part if "split" in labels.columns else pl.lit(False)
                rest = rest.join(labels.filter(of_part).select("row"), on="row", how="semi")
        if part:
            parts = told["split"].drop_nulls().unique().sort().to_list()
            told = told.filter(pl.col("split").fill_null(part) == part)
            if not len(told):
                raise SourceError(
                    f"{source} holds no picture of the part {self.split!r}.{near(self.split, parts)} Its parts: "
                    f"{', '.join(parts) or 'none'}."
                )
        _say_classes(told, intake)
        purpose = told_purpose(frame, intake)
        return {"items": _items(told).lazy(), "images": _images(frame, told, rest, purpose)}

    def _wanted(self, intake: Intake) -> Callable[[Found], bool]:
        """Whether a picture lies in no folder of another part."""

        def wanted(one: Found) -> bool:
            part = SPLITS.get(one.name.split("/")[0].lower()) if "/" in one.name else None
            asked = SPLITS.get(self.split.lower(), self.split)
            own = not self.split or part is None or part == asked
            if not own:
                intake.skipped["pictures of another part"] = (
                    intake.skipped.get("pictures of another part", 0) + 1
                )
            return own

        return wanted


def _some_names(source: Path) -> list[str]:
    """Names of the first files of a folder or an archive, those of its own folder first."""
    if source.is_dir():
        top = list(islice(source.iterdir(), 10 * LOOK))
        names = [path.name for path in top if not path.is_dir()]
        for folder in sorted(path for path in top if path.is_dir() and path.name[0] != "."):
            found = (path for path in folder.rglob("*") if path.is_file())
            names += [path.relative_to(source).as_posix() for path in islice(found, LOOK)]
        return names
    if not source.is_file() or not source.name.lower().endswith(ARCHIVES):
        return []
    import tarfile
    import zipfile
    import zlib

    try:
        if source.name.lower().endswith(".zip"):
            with zipfile.ZipFile(source) as archive:
                return [n for n in archive.namelist() if not n.endswith("/")]
        with tarfile.open(source, "r|*") as packed:
            found_names = (one.name.removeprefix("./") for one in packed if one.isfile())
            return list(islice(found_names, LOOK))
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError):
        return []


def _by_folder(head: pl.DataFrame) -> pl.DataFrame:
    """What the folders say of each picture: key, image_id, item_id, class, split, and what there was."""
    place = pl.col("name").str.split("/").list
    first = (
        place.first()
        .str.to_lowercase()
        .replace_strict(SPLITS, default=None, return_dtype=pl.String)
    )
    deep = place.len()
    split = pl.when(deep > 1).then(first)
    # A part's name is no class: what lies directly in it has none.
    own = pl.when(deep > pl.when(split.is_null()).then(1).otherwise(2)).then(
        place.get(-2, null_on_oob=True)
    )
    above = place.slice(
        pl.when(split.is_null()).then(0).otherwise(1).cast(pl.Int64),
        deep.cast(pl.Int64) - pl.when(split.is_null()).then(1).otherwise(2),
    )
    return head.with_columns(
        image_id=stem(pl.col("name")),
        **{"class": own},
        split=split,
        path=above,
        key=stem(place.last()),
    ).with_columns(item_id=pl.col("image_id"))


def _by_labels(
    told: pl.DataFrame, labels: pl.DataFrame, intake: Intake
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What labels say of each picture where they name it, and the rows of labels that name none, or one again."""
    ending = r"(?i)\.(jpe?g|png|webp|gif|bmp|tiff?|avif|svg|hei[cf])$"
    named = pl.col("image").str.replace(ending, "").str.strip_prefix("./")
    labels = labels.with_columns(named=named)
    # Labels name a picture by its path or by its name alone.
    whole = labels["named"].str.contains("/").any()
    on = "image_id" if whole else "key"
    first = labels.filter(pl.col("named").is_first_distinct())
    again = labels.join(
        first.select("named", kept_row="row", kept_class="class"), on="named"
    ).filter(pl.col("row") != pl.col("kept_row"))
    taken = [c for c in first.columns if c not in ("row", "file", "image", "named")]
    joined = told.join(
        first.select("named", "row", *(pl.col(c).alias(f"label {c}") for c in taken)),
        left_on=on,
        right_on="named",
        how="left",
        maintain_order="left",
    )
    known = pl.col("row").is_not_null()
    other = joined.filter(known & (pl.col("class") != pl.col("label class")))
    if len(other):
        one = other.row(0, named=True)
        intake.say(
            f"{len(other):,} pictures lie in the folder of another class than labels.csv names ({one['name']}: "
            f"{one['label class']}); labels.csv was followed."
        )
    made = joined.with_columns(
        pl.coalesce("label class", "class").alias("class"),
        pl.when(known).then(pl.col(on)).otherwise("image_id").alias("image_id"),
    )
    if "label split" in made.columns:
        made = made.with_columns(pl.coalesce("label split", "split").alias("split"))
    own = pl.col("label item") if "label item" in made.columns else pl.lit(None, dtype=pl.String)
    made = made.with_columns(item_id=pl.coalesce(own, "image_id")).drop("row")
    if unnamed := int((~joined.select(known.alias("k"))["k"]).sum()):
        intake.say(f"{unnamed:,} pictures are not in labels.csv; their folder is their class.")
    lost = first.join(told.select(pl.col(on).alias("named")), on="named", how="anti")
    rest = pl.concat(
        [
            again.select(
                "image", "row", "file",
                why=pl.format(
                    "{}, row {}: {} is named again, as {} (row {}: {}); keep one row.",
                    "file", "row", "image", "class", "kept_row", "kept_class",
                ),
            ),
            lost.select(
                "image", "row", "file",
                why=pl.format(
                    "{}, row {}: there is no picture {}; add its file, or take the row out.",
                    "file", "row", "image",
                ),
            ),
        ]
    ).sort("row")  # fmt: skip
    return made, rest


def _say_classes(told: pl.DataFrame, intake: Intake) -> None:
    """Say which classes have one photo, and how many photos have no class."""
    good = told.filter(pl.col("source_defect").is_null())
    counts = good.drop_nulls("class").group_by("class").len()
    single = counts.filter(pl.col("len") == 1)["class"].sort().to_list()
    if single:
        intake.say(
            f"Classes of one photo: {', '.join(single[:5])}{' …' * (len(single) > 5)}. What is learned of them "
            "cannot be checked; add photos, or put them into another class."
        )
    paths = good.filter(pl.col("path").list.last() == pl.col("class")).select("class", "path")
    several = paths.unique().sort("path").group_by("class", maintain_order=True).agg("path")
    several = several.filter(pl.col("path").list.len() > 1)
    if len(several):
        kind, ways = several.row(0)
        lying = ", ".join("/".join(way) for way in ways[:3])
        intake.say(
            f"{len(several):,} classes lie in several folders, as {kind} ({lying}): each is one class, whatever folder "
            "it lies in. Give their folders names of their own where they are to be told apart."
        )
    if without := len(good) - len(good.drop_nulls("class")):
        intake.say(
            f"{without:,} photos have no class: put them into a folder of one, or name it in labels.csv."
        )


def _items(told: pl.DataFrame) -> pl.DataFrame:
    """The items that pictures are of: item_id, category, attributes."""
    rest = [c for c in told.columns if c.startswith("label ") and c not in USED]
    pairs: Sequence[pl.Expr] = [
        pl.struct(name=pl.lit("split"), value=pl.col("split")),
        *(pl.struct(name=pl.lit(c.removeprefix("label ")), value=pl.col(c)) for c in rest),
    ]
    made = told.filter(pl.col("item_id").is_first_distinct()).select(
        "item_id",
        # The folders above a class are the levels above it, where they and not labels.csv say the class.
        category=pl.when(pl.col("path").list.last() == pl.col("class"))
        .then("path")
        .when(pl.col("class").is_not_null())
        .then(pl.concat_list("class")),
        attributes=pl.concat_list(pairs).list.eval(
            pl.element().filter(pl.element().struct.field("value").is_not_null())
        ),
    )
    return made


USED = ("label class", "label split", "label item", "label image")


def _images(
    frame: pl.LazyFrame, told: pl.DataFrame, rest: pl.DataFrame, purpose: tuple[str, ...]
) -> pl.LazyFrame:
    """The table images, in the order of the source, after it what the labels name and there is not."""
    twice = told.with_columns(
        source_defect=pl.coalesce(
            "source_defect",
            pl.when(~pl.col("image_id").is_first_distinct()).then(
                pl.format("{} has the name of another picture: rename one of them.", "name")
            ),
        )
    )
    keyed = twice.select(
        "source_row", "item_id", "image_id", pl.col("name").alias("source_file"), "source_defect"
    ).lazy()
    made = frame.drop("name", "source_defect").with_row_index("source_row", offset=1)
    made = made.join(keyed, on="source_row", how="inner", maintain_order="left")
    made = made.with_columns(
        pl.when(pl.col("source_defect").is_null()).then("image").alias("image")
    )
    order = ["item_id", "image_id", "image", *purpose, "source_row", "source_file", "source_defect"]
    made = made.select(
        pl.col("source_row").cast(pl.Int64) if c == "source_row" else c for c in order
    )
    if not len(rest):
        return made
    lost = rest.select(
        item_id="image",
        image_id="image",
        image=pl.lit(None, dtype=pl.Binary),
        **{name: pl.lit(None, dtype=pl.String) for name in purpose},
        source_row=pl.col("row").cast(pl.Int64),
        source_file="file",
        source_defect="why",
    )
    return pl.concat([made, lost.lazy()])
