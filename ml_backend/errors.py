"""Every error labelloop raises on purpose.

A message says what was found, what was wanted and what to do about it.
The web layer alone turns these into HTTP statuses.

Every error says whether it is a passing one. The code that raises it decides that; no other code looks at messages or
status codes.
"""

__all__ = [
    "AccessError",
    "BulkError",
    "BundleError",
    "CertificateError",
    "ConfigurationError",
    "DatabaseUnavailable",
    "EncoderError",
    "FlagError",
    "GraphError",
    "HookError",
    "Interrupted",
    "JobCancelled",
    "JobError",
    "JobLost",
    "JobNotFound",
    "LabelConfigError",
    "LabelloopError",
    "ModelNotFound",
    "PayloadError",
    "ProjectNotFound",
    "PromotionError",
    "PromotionVetoed",
    "SnapshotError",
    "SnapshotNotFound",
    "SourceError",
    "StateError",
    "StudioError",
    "StudioExportError",
    "StudioRejected",
    "StudioUnauthorized",
    "StudioUnreachable",
    "TextServerError",
    "TextServerRejected",
    "TextServerUnreachable",
    "TrackingError",
    "TrainingError",
    "UnreadableLabelConfig",
    "UnsupportedLabelConfig",
]


PASSING_STATUSES = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses of a server that is overloaded, restarting or stuck; the request itself is not to blame."""


class LabelloopError(Exception):
    """Root of the tree of errors.

    Attributes:
        is_passing: something was away or busy, and the same call may succeed a minute later; False where trying again
            is useless until somebody changes something.
        retry_after_s: how long the other side asks to wait, in seconds; None where it does not say.
    """

    is_passing: bool = False
    retry_after_s: float | None = None

    def __init__(self, message: str = "", *, is_passing: bool | None = None) -> None:
        super().__init__(message)
        if is_passing is not None:
            self.is_passing = is_passing


class ConfigurationError(LabelloopError):
    """A setting or an argument cannot work as given."""


class AccessError(LabelloopError):
    """A user, or what was asked about users, cannot be as given."""


class LabelConfigError(LabelloopError):
    """Something is wrong with a label config."""


class UnreadableLabelConfig(LabelConfigError):
    """The label config is not well-formed, or lacks what Label Studio requires of it."""


class UnsupportedLabelConfig(LabelConfigError):
    """The label config holds no control that labelloop can serve."""


class StudioError(LabelloopError):
    """A call to Label Studio did not do what it should."""


class StudioUnreachable(StudioError):
    """Label Studio did not answer, or not in time."""

    is_passing = True


class StudioUnauthorized(StudioError):
    """Label Studio refused the token."""


class StudioRejected(StudioError):
    """Label Studio answered with a refusal.

    Attributes:
        status: HTTP status of the answer.
    """

    def __init__(self, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, is_passing=status in PASSING_STATUSES)
        self.status, self.retry_after_s = status, retry_after_s


class PayloadError(LabelloopError):
    """A request's body is not what Label Studio sends."""


class StudioExportError(LabelloopError):
    """A file is not a JSON export of Label Studio."""


class TextServerError(LabelloopError):
    """A call to a server that writes drafts did not do what it should."""


class TextServerUnreachable(TextServerError):
    """The server did not answer, or not in time."""

    is_passing = True


class TextServerRejected(TextServerError):
    """The server answered with a refusal, or with something that is no answer.

    Attributes:
        status: HTTP status of the answer.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, is_passing=status in PASSING_STATUSES)
        self.status = status


class SnapshotError(LabelloopError):
    """A snapshot is missing, damaged, or too small for what was asked."""


class SnapshotNotFound(SnapshotError):
    """A project has had no such snapshot, or its files are on another machine."""


class EncoderError(LabelloopError):
    """A base model cannot be found, verified or loaded."""


class BundleError(LabelloopError):
    """A serving bundle is missing, damaged or made for something else."""


class BulkError(LabelloopError):
    """A bulk run cannot go on, or has left something out."""


class TrainingError(LabelloopError):
    """A training run cannot go on."""


class TrackingError(LabelloopError):
    """MLflow, which keeps runs and models, did not answer, or refused."""


class DatabaseUnavailable(LabelloopError):
    """The database that holds the state is locked, away, full or gone; the statement itself is not to blame."""


class ModelNotFound(LabelloopError):
    """The registry does not know this model version."""


class JobError(LabelloopError):
    """A job cannot do what was asked of it."""


class JobNotFound(JobError):
    """No job has this id."""


class JobCancelled(JobError):
    """Raised inside a running job when its row says that somebody cancelled it."""


class JobLost(JobError):
    """Raised inside a running job when it is over for everybody else, or another process works on it."""


class PromotionError(LabelloopError):
    """A promotion or a rollback cannot be done."""


class PromotionVetoed(PromotionError):
    """A hook did not let a version serve, or failed when it was asked."""


class CertificateError(LabelloopError):
    """A version cannot be certified, or has accepted nothing."""


class FlagError(LabelloopError):
    """A flag cannot be decided on as it is asked."""


class HookError(LabelloopError):
    """A hook raised, took too long, or gave back what it must not.

    Attributes:
        hook: its name, with that of the turning point.
    """

    def __init__(self, message: str, *, hook: str) -> None:
        super().__init__(message)
        self.hook = hook


class SourceError(LabelloopError):
    """A label source, or the folder of them, cannot be used as it stands."""


class StateError(LabelloopError):
    """The state on disk or in a database cannot be moved, backed up or restored as it stands."""


class ProjectNotFound(LabelloopError):
    """The project was never connected to this backend."""


class GraphError(LabelloopError):
    """A model cannot be exported as a graph, or a graph cannot be read or computed here."""


class Interrupted(SystemExit):
    """A signal asks the process to end. It is raised in the main thread, as a SystemExit that nobody else catches.

    The exit status is the one that shells use: 128 plus the signal's number.

    Attributes:
        number: the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number
