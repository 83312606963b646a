"""Lists of names per label: places, products, people, phrases that tell a class."""

import csv
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ...domain.source import AnswerForm, LabelSource
from ...errors import SourceError
from ..phrases import Form, PhraseIndex, longest_first
from ..stems import stem
from ..text import TaskText
from .base import AskedControl, Loading, SourceKind, Vote, Voter

__all__ = ["Gazetteers"]

FOLDER, SETTINGS = "gazetteers", "settings.toml"
ENDINGS = (".txt", ".csv")
ENTRY, LABEL = "entry", "label"


class _ListSettings(BaseModel):
    """Settings of a list in `settings.toml`, under the file's name without its ending."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str | None = None
    control: str | None = None
    case: bool = False
    inflections: str = ""
    reason: str = ""
    by: str = ""
    when: str = ""


class Gazetteers(SourceKind):
    """The lists in the folder `gazetteers`: text files with an entry a line, CSV files with a column `entry`.

    The file's name is the label, unless `settings.toml` or a column `label` says otherwise.
    """

    name = "gazetteer"

    def load(self, loading: Loading) -> Iterator[Voter]:
        settings = _settings(loading)
        lists = [path for path in loading.files(FOLDER) if path.name != SETTINGS]
        names = [path.stem for path in lists]
        for stray in settings.keys() - set(names):
            loading.fault(f"{FOLDER}/{SETTINGS}", f"{stray!r} found; the lists are {', '.join(names) or 'none'}")
        voters: dict[str, _GazetteerVoter] = {}
        for path in lists:
            name = loading.name(path)
            if not loading.begin(name):
                continue
            own = settings.get(path.stem, _ListSettings())
            try:
                control = loading.control(own.control)
                voter = voters.setdefault(control.name, _GazetteerVoter(control))
                voter.add(name, own, list(_labeled_entries(path, own.label or path.stem)))
            except (SourceError, UnicodeDecodeError, csv.Error) as error:
                loading.fault(name, error)
        yield from (voter for voter in voters.values() if voter.sources)


class _GazetteerVoter(Voter):
    """All lists for one control: where entries overlap, the longest wins, whatever list it stands in."""

    def __init__(self, control: AskedControl) -> None:
        self.control, self.sources = control, ()
        self._indexes: dict[Form, PhraseIndex[tuple[int, str]]] = {}

    def add(self, file: str, own: _ListSettings, entries: Sequence[tuple[str, str]]) -> None:
        """Add a list, a source per label in it.

        Raises:
            SourceError: a label or the language is not known, or an entry holds no word.
        """
        if own.inflections:
            stem("", own.inflections)
        if wordless := [entry for entry, _ in entries if not any(map(str.isalnum, entry))]:
            raise SourceError(f"entry {wordless[0]!r} found; wanted words")
        labels = [self.control.label(label) for label in dict.fromkeys(label for _, label in entries)]
        numbers = {label: len(self.sources) + number for number, label in enumerate(labels)}
        form = Form(own.case, own.inflections)
        index = self._indexes.setdefault(form, PhraseIndex(form))
        for entry, label in entries:
            index.add(entry, (numbers[label], label))
        name, facts = Gazetteers.name, (own.reason, own.by, own.when, file)
        added = (LabelSource(f"{file}: {label}", name, self.control.name, label, *facts) for label in labels)
        self.sources = (*self.sources, *added)

    def votes(self, text: TaskText) -> Iterable[Vote]:
        found = [each for index in self._indexes.values() for each in index.find(text)]
        pieces = longest_first(found) if len(found) > 1 else found
        if self.control.form is AnswerForm.SPANS:
            return [(number, label, start, end) for start, end, (number, label) in pieces]
        return sorted({(number, label, 0, 0) for _, _, (number, label) in pieces})


def _settings(loading: Loading) -> dict[str, _ListSettings]:
    path = loading.folder / FOLDER / SETTINGS
    settings = {}
    try:
        whole = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        for name, values in whole.items():
            settings[name] = _ListSettings.model_validate(values)
    except (ValueError, ValidationError) as error:
        loading.fault(loading.name(path), " ".join(str(error).split()))
    return settings


def _labeled_entries(path: Path, label: str) -> Iterator[tuple[str, str]]:
    """Yield the entries of a list with their labels.

    Raises:
        SourceError: the file is no list, or a CSV file without a column `entry`.
    """
    if path.suffix not in ENDINGS:
        raise SourceError(f"a file that ends in {path.suffix!r} found; wanted {' or '.join(ENDINGS)}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".txt":
            lines = (line.strip() for line in file)
            yield from ((line, label) for line in lines if line and not line.startswith("#"))
            return
        table = csv.DictReader(file)
        if ENTRY not in (table.fieldnames or ()):
            raise SourceError(
                f"columns {', '.join(table.fieldnames or ()) or 'none'} found; wanted `entry`, and `label`"
            )
        yield from (
            (row[ENTRY].strip(), (row.get(LABEL) or label).strip()) for row in table if (row[ENTRY] or "").strip()
        )
