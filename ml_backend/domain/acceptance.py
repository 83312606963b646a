"""Certificates as the database keeps them, and the answers that were accepted by them."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from .annotation import Annotation, Region
from .model import LIFETIME_ERROR

__all__ = ["Acceptance", "KeptCertificate"]


@dataclass(frozen=True, slots=True)
class KeptCertificate:
    """A try for a certificate: the promise that a version's answers are wrong in at most `limit` of cases.

    Attributes:
        id: 0 before it is stored.
        fingerprint: of the label config that the promise is about.
        threshold: the least confidence of answers that are accepted; None where the test rows did not certify any.
        delta: the chance that the promise is wrong, at most: what the try may spend of the project's budget of error.
        rows: blind test rows that the promise rests on; where it failed, all that counted.
        loss: the share of these rows whose answer is wrong.
        share: the share of the test rows that they are.
        audit_share: the share of answers that people give instead, without a hint.
        ended_at: None while it is in force.
        ending: why it ended.
        was_refuted: audits ended it.
    """

    ALARM: ClassVar = 1 / LIFETIME_ERROR
    """Evidence of audits that ends a certificate. A promise that holds is ended by it in at most 5% of cases."""
    LEAST_LIMIT: ClassVar = 0.001
    GREATEST_LIMIT: ClassVar = 0.2
    LEAST_AUDIT_SHARE: ClassVar = 0.01
    GREATEST_AUDIT_SHARE: ClassVar = 0.5

    id: int
    project_id: int
    version: str
    fingerprint: str
    snapshot_id: str
    threshold: float | None
    limit: float
    delta: float
    rows: int
    loss: float
    share: float
    audit_share: float
    created_at: datetime
    ended_at: datetime | None = None
    ending: str = ""
    was_refuted: bool = False

    @property
    def is_certified(self) -> bool:
        """False for a try that failed."""
        return self.threshold is not None

    @property
    def promise(self) -> str:
        """The promise in words, with what it rests on."""
        return (
            f"{self.version}: answers of confidence {self.threshold or 1:.4f} or more to texts that fit a label are "
            f"wrong in at most {self.limit:.1%}, with {1 - self.delta:.1%} confidence ({self.rows} blind test "
            f"rows, {self.loss:.2%} of them wrong; {self.share:.0%} of all)"
        )


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A task that a certificate covers: its answer is accepted, or, in an audit, asked of people without a hint.

    Attributes:
        regions: the version's answer.
        annotation_id: the annotation that was made of it; None while that is intended only, and in an audit.
        answered_at: ISO 8601 time at which people answered an audit; None for those that are open.
        is_wrong: whether that answer is another one than the version's.
        undone_at: when the acceptance was taken back, or was found not to have come about.
    """

    project_id: int
    certificate_id: int
    task_id: int
    version: str
    regions: tuple[Region, ...]
    score: float
    is_audit: bool = False
    annotation_id: int | None = None
    answered_at: str | None = None
    is_wrong: bool | None = None
    undone_at: datetime | None = None

    def covers(self, annotation: Annotation) -> bool:
        """True for the annotation that labelloop made of the answer, as long as nobody has changed it.

        While its id is not known yet, it is recognised as one that Label Studio copied from a prediction. Later that
        prediction may be deleted, with which the annotation forgets it.
        """
        is_untouched = annotation.was_imported and annotation.lead_time_s is None and not annotation.was_cancelled
        if self.is_audit or not is_untouched:
            return False
        if self.annotation_id is not None:
            return annotation.id == self.annotation_id
        return self.undone_at is None and annotation.parent_prediction is not None
