"""Real serving bundles whose head knows nothing; the predictor beside them is a fake."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ml_backend.domain.model import Method, ModelVersion
from ml_backend.domain.project import Project
from ml_backend.labelstudio.config.parse import parse_label_config
from ml_backend.models.bundle.bundle import TrainedPart, write_bundle
from ml_backend.models.bundle.head import Head
from ml_backend.models.bundle.manifest import BundleFacts, BundleManifest, PartFacts
from ml_backend.tasks import ServedControl, serving_plan
from ml_backend.workflows.services import Services
from tests.services import add_version

__all__ = ["add_whole_version"]


def add_whole_version(
    services: Services,
    project: Project,
    label: str = "Shipping",
    trained_on: Sequence[str] = (),
    base_model: str = "tiny",
) -> ModelVersion:
    """As `add_version`, with a bundle on disk."""
    version = add_version(services, project, label)
    plan = serving_plan(parse_label_config(project.label_config))
    facts = BundleFacts(
        field=plan.fields[0],
        label_config=project.label_config,
        label_config_fingerprint=project.label_config_fingerprint,
        snapshot_id="abc",
    )
    manifest = BundleManifest(
        model_version=version.name,
        base_model=base_model,
        base_model_sha256="ab" * 32,
        facts=facts,
        parts=(),
        seed=1,
        created_at="2026-01-01T00:00:00+00:00",
        libraries={},
    )
    version.path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        parts = [_part(served, Path(folder) / served.name) for served in plan.controls]
        write_bundle(version.path, manifest, parts, trained_on=trained_on)
    return version


def _part(served: ServedControl, folder: Path) -> TrainedPart:
    classes = len(served.control.labels)
    Head(np.zeros((classes, 4), dtype=np.float32), np.zeros(classes, dtype=np.float32)).write(folder)
    facts = PartFacts(
        control=served.name,
        head=served.kind.head,
        method=Method.REGRESSION,
        decoder={"labels": list(served.control.label_values)},
        max_length_tokens=64,
        score_quantiles=tuple(position / (PartFacts.QUANTILES - 1) for position in range(PartFacts.QUANTILES)),
        settings={},
    )
    return TrainedPart(facts, folder)
