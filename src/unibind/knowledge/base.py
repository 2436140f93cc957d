"""The knowledge base: a table of descriptions that can be generated, read, saved and fingerprinted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.tables import write_rows
from ..errors import UnibindError, UnknownNameError
from ..modalities import ANCHOR, modality_spec

if TYPE_CHECKING:
    from ..backbones import Backbone
    from ..data.intake import ModalityChoice, Sources
    from ..modalities import RenderOptions
    from .llm.describe import DescriptionResult
    from .llm.generate import GenerationResult
    from .llm.session import RunOptions

KINDS = ("category", "data", "name", "template")
PACKAGED = "heptad"  # the name of the packaged base
DESCRIPTIONS = "descriptions.parquet"  # the table in the folder of a base


@dataclass(frozen=True)
class Description:
    """One text that describes a category.

    `kind` is "category" (a model or person wrote it from the category's name), "data" (it describes one `item`),
    "name" (the bare category name) or "template" (the name in a fixed sentence). `aspect` is its topic (shape, sound,
    ...), `modality` the modality it was written for, `generator` and `prompt_id` who wrote it and with which prompt,
    `created` when (ISO 8601); None where unknown.
    """

    id: str
    category: str
    text: str
    kind: str = "category"
    item: str | None = None
    aspect: str | None = None
    modality: str | None = None
    generator: str | None = None
    prompt_id: str | None = None
    created: str | None = None

    def __post_init__(self) -> None:
        """Refuse unknown kinds."""
        if self.kind not in KINDS:
            raise UnknownNameError("kind of description", self.kind, KINDS)


COLUMNS = tuple(field.name for field in fields(Description))


class KnowledgeBase:
    """One or more descriptions with distinct ids; `folder` is the folder that they were read from, if any."""

    def __init__(self, descriptions: Iterable[Description], *, folder: Path | None = None) -> None:
        self.descriptions = tuple(descriptions)
        self.folder = folder
        if not self.descriptions:
            raise UnibindError("a knowledge base needs at least one description")
        if len({d.id for d in self.descriptions}) < len(self.descriptions):
            raise UnibindError("two descriptions of a knowledge base have the same id; remove one of them")

    def __len__(self) -> int:
        return len(self.descriptions)

    # --- where bases come from -------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path) -> KnowledgeBase:
        """Read a base, or whatever names or describes classes; the form is recognized by content.

        `path` is one of these:

        - the folder of a base, or the packaged base "heptad" (64 descriptions, 8 per aspect, of each of Heptad's 24
          categories; for a folder of that name, pass "./heptad");
        - descriptions: a table (CSV, JSONL, JSON, Parquet) with a column for the class (`category`, `class`, `label`)
          and one for the text (`text`, `description`); JSON, class -> list of texts, as in CuPL, or list of traits;
          UniBind's train JSON;
        - names: a .txt file with one class per line, a JSON list, names separated by commas, or a table or folder of
          labeled items. Each class is then represented by its name; see `from_names`.

        Repeated texts of a category are read once. Raises MissingFileError where `path` does not exist, and
        UnibindError, naming file and row, for content in another form.
        """
        return cls.open(path)

    @classmethod
    def open(cls, knowledge: KnowledgeSource) -> KnowledgeBase:
        """The base itself, what a path stands for (see `load`), class -> texts, or a list of class names."""
        # imported here: the formats make bases, so they are above this module
        from .opening import open_knowledge

        return open_knowledge(knowledge)

    @classmethod
    def from_names(cls, classes: Sequence[str], modality: str | None = None) -> KnowledgeBase:
        """A base for classes without descriptions: the name of each class, and the name in a few fixed sentences.

        The sentences suit one modality ("a photo of a {}."); with `modality` None they are neutral ("this is a {}.").
        Underscores in names become spaces. Descriptions classify better: see `generate`.
        """
        names = dict.fromkeys(classes)
        if not names or not all(name.strip() for name in names):
            raise UnibindError("zero-shot classification needs class names; pass at least one, none of them blank")
        templates = modality_spec(modality or ANCHOR).templates
        bare = [(name, spoken(name), "name", None) for name in names]
        sentences = [(name, filled(template, name), "template", modality) for name in names for template in templates]
        descriptions: dict[str, Description] = {}
        for category, text, kind, suited in bare + sentences:
            name = description_id(category, text)
            descriptions.setdefault(name, Description(name, category, text, kind, modality=suited))
        return cls(descriptions.values())

    @classmethod
    def generate(
        cls,
        classes: Sequence[str],
        out: str | Path,
        *,
        model: str | Sequence[str],
        base_url: str | None = None,
        per_class: int = 100,
        modalities: Sequence[str] | None = None,
        aspects: Sequence[str] | None = None,
        questions: int = 6,
        per_request: int = 10,
        language: str | None = None,
        filters: Mapping[str, Any] | None = None,
        backbone: str | Backbone | None = None,
        options: RunOptions | None = None,
        progress: bool | Callable[[int], None] | None = None,
    ) -> GenerationResult:
        """Have language models describe classes, and keep the descriptions in the folder `out`.

        See `llm.generate.generation_job` for the arguments. Continues where an earlier run stopped; load the base with
        `KnowledgeBase.load(out)`. `progress` is a bool (None: a bar on a terminal), or is called with the number of
        descriptions just added.
        """
        # imported here: the models write a base, so their package is above this module
        from .llm.generate import generation_job

        job = generation_job(
            classes,
            out,
            model=model,
            base_url=base_url,
            per_class=per_class,
            modalities=modalities,
            aspects=aspects,
            questions=questions,
            per_request=per_request,
            language=language,
            filters=filters,
            backbone=backbone,
            options=options,
        )
        return job.run(progress)

    @classmethod
    def describe(
        cls,
        manifest: Sources,
        out: str | Path,
        *,
        model: str | Sequence[str],
        base_url: str | None = None,
        splits: Collection[str] | None = ("train",),
        modality: ModalityChoice = None,
        include_label: bool = False,
        render: RenderOptions | None = None,
        language: str | None = None,
        backbone: str | Backbone | None = None,
        options: RunOptions | None = None,
        progress: bool | Callable[[int], None] | None = None,
    ) -> DescriptionResult:
        """Have multimodal language models describe items, one text each, and keep the texts in the folder `out`.

        See `llm.describe.description_job` for the arguments. Continues where an earlier run stopped. `progress` is a
        bool (None: a bar on a terminal), or is called with the number of items just done.
        """
        # imported here: the models write a base, so their package is above this module
        from .llm.describe import description_job

        job = description_job(
            manifest,
            out,
            model=model,
            base_url=base_url,
            splits=splits,
            modality=modality,
            include_label=include_label,
            render=render,
            language=language,
            backbone=backbone,
            options=options,
        )
        return job.run(progress)

    # --- what a base contains --------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write a table atomically: Parquet, JSONL or CSV, according to the suffix."""
        write_rows(Path(path), [asdict(d) for d in self.descriptions], COLUMNS)

    @property
    def names_only(self) -> bool:
        """Whether the categories have no descriptions but their names, bare or in fixed sentences."""
        return all(d.kind in ("name", "template") for d in self.descriptions)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories in order of first appearance."""
        return tuple(dict.fromkeys(d.category for d in self.descriptions))

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that depend on all ids and texts, but not on their order."""
        rows = sorted(f"{d.id}\0{d.text}" for d in self.descriptions)
        return hashlib.sha256("\n".join(rows).encode("utf-8", "surrogatepass")).hexdigest()[:12]

    def texts(self, category: str) -> list[str]:
        """Texts of one category; raises UnknownNameError for an unknown one."""
        if category not in self.categories:
            raise UnknownNameError("category", category, self.categories)
        return [d.text for d in self.descriptions if d.category == category]

    def of_categories(self, categories: Sequence[str]) -> KnowledgeBase:
        """The descriptions of these categories; raises UnknownNameError for an unknown one."""
        for category in categories:
            self.texts(category)
        return KnowledgeBase((d for d in self.descriptions if d.category in categories), folder=self.folder)

    def of_items(self) -> dict[str, str]:
        """Item id -> its description; the first one where an item has several."""
        texts: dict[str, str] = {}
        for d in self.descriptions:
            if d.item is not None:
                texts.setdefault(d.item, d.text)
        return texts

    def without_items(self, items: Collection[str]) -> KnowledgeBase:
        """This base without the descriptions of these items; raises UnibindError where none would be left."""
        return KnowledgeBase((d for d in self.descriptions if d.item not in items), folder=self.folder)


def spoken(category: str) -> str:
    """A category as words: underscores become spaces."""
    return category.replace("_", " ")


def filled(template: str, category: str) -> str:
    """A template, such as "a photo of a {}.", with a category in its place, which may have an article of its own."""
    name = spoken(category)
    if name.lower().startswith(("a ", "an ", "the ")):
        template = re.sub(r"\ba {}", "{}", template)
    return template.format(name)


def description_id(category: str, text: str, item: str | None = None) -> str:
    """Id of a description, which depends on nothing but category, text and item."""
    parts = (category, text) if item is None else (category, text, item)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


# What `KnowledgeBase.open` takes: a base, a path or name (see `load`), class -> texts, or class names.
KnowledgeSource = KnowledgeBase | str | Path | Mapping[str, Sequence[str]] | Sequence[str]
