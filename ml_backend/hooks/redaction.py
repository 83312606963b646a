"""The hook that masks personal data in rows."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from ..domain.example import AnnotatorLabel, Row, Target
from ..errors import ConfigurationError
from .personal_data import PersonalData, masked
from .specs import hookimpl

__all__ = ["Redaction"]


class Redaction:
    """Masks personal data in a row's text and in free-text answers; labels of the config stay as they are.

    An annotator who is named by an e-mail address gets a name made from its hash.

    Raises:
        ConfigurationError: a kind or the region is unknown.
    """

    def __init__(self, kinds: str, region: str = "") -> None:
        names = [name.strip() for name in kinds.split(",") if name.strip()]
        unknown = sorted(set(names) - {kind.value for kind in PersonalData})
        if unknown:
            raise ConfigurationError(
                f"LABELLOOP_REDACT: {', '.join(unknown)} found; wanted some of {', '.join(PersonalData)}, separated "
                "by commas"
            )
        self._kinds = frozenset(map(PersonalData, names))
        self._region = _checked(region)

    @hookimpl
    def row_read(self, row: Row, labels: Mapping[str, frozenset[str]]) -> Row:
        """The row without personal data."""
        return replace(
            row,
            input={name: self._masked(text) for name, text in row.input.items()},
            targets=self._targets(row.targets, labels),
            labels=tuple(
                AnnotatorLabel(self._annotator(each.annotator), self._targets(each.targets, labels), each.blind)
                for each in row.labels
            ),
        )

    def _masked(self, text: str) -> str:
        return masked(text, self._kinds, self._region)

    def _targets(self, targets: Mapping[str, Target], labels: Mapping[str, frozenset[str]]) -> dict[str, Target]:
        return {
            name: self._masked(target) if isinstance(target, str) and target not in labels.get(name, ()) else target
            for name, target in targets.items()
        }

    def _annotator(self, name: str) -> str:
        if self._masked(name) == name:
            return name
        return f"annotator-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"


def _checked(region: str) -> str:
    if region:
        from phonenumbers import SUPPORTED_REGIONS

        if region not in SUPPORTED_REGIONS:
            raise ConfigurationError(
                f"LABELLOOP_REDACT_REGION: {region!r} found; wanted a country's code in two capitals, such as DE"
            )
    return region
