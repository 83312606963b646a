"""Projects that have a version or none, and what serves those that have none."""

from ml_backend.domain.model import ModelVersion
from ml_backend.domain.project import Project
from ml_backend.domain.snapshot import SplitFractions
from tests.fakes import FakeClock, FakePredictor


def project_of(number: int) -> Project:
    return Project(number, "p", "P", "<View/>", "0123456789ab", SplitFractions(), FakeClock()())


def cold_start(project: Project) -> FakePredictor:
    return FakePredictor(ModelVersion.cold_start_name(project.ref.key, project.label_config_fingerprint))
