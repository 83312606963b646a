"""Notes on the values in a file that had to be changed or left out, counted while the file is read."""

__all__ = ["FileNotes"]


class FileNotes:
    """Counts that grow while a file is read, so they are complete only at its end.

    Attributes:
        is_packed: the file is a gzip file.
        numbered_tasks: tasks that got a new id, because theirs is not a whole number.
        numbered_annotations: annotations that got a new id for the same reason.
        not_numbers: NaN and infinite numbers, which JSON does not have; they are read as null.
        half_characters: unpaired halves of surrogate pairs, which stand for no character; they are read as U+FFFD.
        hidden_answers: controls whose answers the file does not show, each with the reason as a clause that follows the
            control's name.
    """

    def __init__(self) -> None:
        self.is_packed = False
        self.numbered_tasks = self.numbered_annotations = self.not_numbers = self.half_characters = 0
        self.hidden_answers: dict[str, str] = {}

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return the notes as sentences, for people who read the results."""
        packed = ("the file is packed with gzip, and was unpacked for the reading",) if self.is_packed else ()
        return (*packed, *self.about_values)

    @property
    def about_values(self) -> tuple[str, ...]:
        """Return the same sentences, but only those about the data themselves."""
        counts = {
            "tasks without a whole number for an id, which got numbers": self.numbered_tasks,
            "annotations without a whole number for an id, which got numbers": self.numbered_annotations,
            "values that are NaN or infinite, which JSON does not have, read as null": self.not_numbers,
            "halves of surrogate pairs, which alone stand for no character, read as U+FFFD": self.half_characters,
        }
        counted = [f"{what}: {count}" for what, count in counts.items() if count]
        return (*counted, *(f"the control {name!r} {why}" for name, why in self.hidden_answers.items()))
