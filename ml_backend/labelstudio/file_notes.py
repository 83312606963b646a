"""What a file held that could not be taken as it stands, counted while the file is read."""

from dataclasses import dataclass, field

__all__ = ["FileNotes"]


@dataclass(slots=True)
class FileNotes:
    """Counts that grow with the reading, so they are whole when it is over.

    Attributes:
        is_packed: the file is a gzip file.
        numbered_tasks: tasks that got a number, as they have no whole number for an id.
        numbered_annotations: the same of annotations.
        not_numbers: NaN and infinite numbers, which JSON does not have; read as null.
        half_characters: halves of surrogate pairs without the other half, which stand for no character; read as U+FFFD.
        hidden_answers: controls whose answers the file does not show, and why, as a clause that follows the name.
    """

    is_packed: bool = False
    numbered_tasks: int = 0
    numbered_annotations: int = 0
    not_numbers: int = 0
    half_characters: int = 0
    hidden_answers: dict[str, str] = field(default_factory=dict)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        packed = ("the file is packed with gzip, and was unpacked for the reading",) if self.is_packed else ()
        return (*packed, *self.about_values)

    @property
    def about_values(self) -> tuple[str, ...]:
        """The same without what is no matter of the data themselves."""
        counts = {
            "tasks without a whole number for an id, which got numbers": self.numbered_tasks,
            "annotations without a whole number for an id, which got numbers": self.numbered_annotations,
            "values that are NaN or infinite, which JSON does not have, read as null": self.not_numbers,
            "halves of surrogate pairs, which alone stand for no character, read as U+FFFD": self.half_characters,
        }
        counted = [f"{what}: {count}" for what, count in counts.items() if count]
        return (*counted, *(f"the control {name!r} {why}" for name, why in self.hidden_answers.items()))
