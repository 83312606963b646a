"""The training settings that a search varies, and the values that it tries of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_type_hints

from ..domain.model import Method
from ..errors import ConfigurationError
from .classification.settings import TrainingSettings

if TYPE_CHECKING:
    from optuna import Trial

__all__ = ["SearchedSetting"]

LOG_FROM = 10.0
"""A range whose ends are further apart than by this factor is searched by orders of magnitude."""
FIXED = (
    "method",
    "seed",
    "suspects",
    "description_weight",
    "max_length_tokens",
    "least_validation_rows",
    "folds",
    "fold_rows",
    "fold_most_rows",
    "budget_min",
)
"""Settings that change which rows are learned, read or scored: scores under two of their values do not compare."""
WANTED = "wanted NAME=LOW..HIGH, such as lora_r=4..32, or NAME=A,B,C, such as batch_size=16,32,64"


@dataclass(frozen=True, slots=True)
class SearchedSetting:
    """A training setting and what is tried of it: a range of numbers, or some values.

    Attributes:
        DEFAULT_SEARCHES: what is searched unless somebody says otherwise, by method: ranges around the defaults.
        values: as text, such as `labelloop train --set` takes; empty for a range.
        is_whole: the range is of whole numbers.
    """

    DEFAULT_SEARCHES: ClassVar[Mapping[Method, Sequence[str]]] = {
        Method.LORA: (
            "adapter_learning_rate=0.0003..0.006",
            "batch_size=8,16,32,64",
            "epochs=2..20",
            "lora_r=4,8,16,32",
        ),
        Method.FULL: ("full_learning_rate=0.00001..0.0005", "batch_size=8,16,32,64", "epochs=2..20"),
        Method.REGRESSION: ("regression_c=0.3..1000",),
    }

    name: str
    low: float = 0.0
    high: float = 0.0
    values: tuple[str, ...] = ()
    is_whole: bool = False

    @classmethod
    def parse(cls, text: str) -> "SearchedSetting":
        """Return the setting that a text such as `lora_r=4..32` or `batch_size=16,32` describes.

        Raises:
            ConfigurationError: it is not of that form, the setting is unknown or cannot be searched, or a value does
                not fit it.
        """
        name, equals, span = (part.strip() for part in text.partition("="))
        if not (name and equals and span):
            raise ConfigurationError(f"--search {text!r} found; {WANTED}")
        known = sorted({each.name for each in fields(TrainingSettings)} - set(FIXED))
        if name not in known:
            why = "changes what is scored, so it cannot be searched" if name in FIXED else "is no training setting"
            raise ConfigurationError(f"--search {text!r}: {name} {why}; wanted one of {', '.join(known)}")
        low, dots, high = (part.strip() for part in span.partition(".."))
        values = tuple(dict.fromkeys(part.strip() for part in span.split(",")))
        for value in (low, high) if dots else values:
            _check(text, name, value)
        if not dots:
            return cls(name, values=values)
        setting = cls(name, float(low), float(high), is_whole=_is_whole(name))
        if not setting.low < setting.high:
            raise ConfigurationError(f"--search {text!r}: its range is empty; wanted a lower end below the upper one")
        return setting

    @classmethod
    def parse_all(cls, texts: Sequence[str], method: Method) -> "tuple[SearchedSetting, ...]":
        """Return the settings to search, in alphabetical order; without a text, the usual ones of the method.

        Raises:
            ConfigurationError: a text does not fit, or a setting occurs twice.
        """
        found = [cls.parse(text) for text in texts or cls.DEFAULT_SEARCHES[method]]
        names = [setting.name for setting in found]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ConfigurationError(f"--search names {', '.join(twice)} twice; wanted each setting once")
        return tuple(sorted(found, key=lambda setting: setting.name))

    @property
    def is_log(self) -> bool:
        """True for a range that is searched by orders of magnitude: over ten times wide, and above 0."""
        return not self.values and self.low > 0 and self.high / self.low > LOG_FROM

    def __str__(self) -> str:
        if self.values:
            return f"{self.name}={','.join(self.values)}"
        return f"{self.name}={self.low:.10g}..{self.high:.10g}"

    def holds(self, value: object) -> bool:
        """True where the value is among those that are tried."""
        if self.values:
            return self._listed(value) is not None
        return isinstance(value, int | float) and self.low <= value <= self.high

    def trial_value(self, value: Any) -> Any:
        """Return a training's value as trials have it: one of the texts, or a number."""
        return self._listed(value) if self.values else value

    def suggest(self, trial: "Trial") -> str:
        """Return what a trial tries, as text for `--set`."""
        if self.values:
            return str(trial.suggest_categorical(self.name, self.values))
        if self.is_whole:
            return str(trial.suggest_int(self.name, int(self.low), int(self.high), log=self.is_log))
        return repr(trial.suggest_float(self.name, self.low, self.high, log=self.is_log))

    def _listed(self, value: object) -> str | None:
        """Return the text among the values that stands for this value; None where there is none."""
        read = {getattr(TrainingSettings().with_overrides({self.name: text}), self.name): text for text in self.values}
        return read.get(value)


def _check(text: str, name: str, value: str) -> None:
    """Raise a ConfigurationError where a training would not take the value, or leaves it open."""
    try:
        read = getattr(TrainingSettings().with_overrides({name: value}), name)
    except ConfigurationError as error:
        raise ConfigurationError(f"--search {text!r}: {error}; {WANTED}") from None
    if read is None:
        raise ConfigurationError(f"--search {text!r}: a value is {value!r}; {WANTED}")


def _is_whole(name: str) -> bool:
    hint = get_type_hints(TrainingSettings)[name]
    return int in (get_args(hint) or (hint,))
