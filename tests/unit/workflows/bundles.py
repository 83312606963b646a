"""Real serving bundles whose head knows nothing; the predictor beside them is a fake."""

from collections.abc import Sequence

import numpy as np

from ml_backend.domain.model import Method, ModelVersion
from ml_backend.domain.project import Project
from ml_backend.encoders.bundle import QUANTILES, BundleFacts, BundleManifest, Head, write_bundle
from ml_backend.labelstudio.label_config_xml import parse_label_config
from ml_backend.tasks import serving_plan
from ml_backend.workflows.services import Services
from tests.services import add_version

__all__ = ["add_whole_version"]


def add_whole_version(
    services: Services, project: Project, label: str = "Shipping", trained_on: Sequence[str] = ()
) -> ModelVersion:
    """As `add_version`, with a bundle on disk."""
    version = add_version(services, project, label)
    served = serving_plan(parse_label_config(project.label_config)).served
    control = served.control
    facts = BundleFacts(
        control.name, control.object.name, served.field, project.label_config, project.label_config_fingerprint, "abc"
    )
    manifest = BundleManifest(
        model_version=version.name,
        method=Method.REGRESSION,
        base_model="tiny",
        base_model_sha256="ab" * 32,
        facts=facts,
        labels=control.label_values,
        max_length_tokens=64,
        temperature=1.0,
        seed=1,
        settings={},
        score_quantiles=tuple(position / (QUANTILES - 1) for position in range(QUANTILES)),
        created_at="2026-01-01T00:00:00+00:00",
        libraries={},
    )
    classes = len(control.label_values)
    head = Head(np.zeros((classes, 4), dtype=np.float32), np.zeros(classes, dtype=np.float32))
    version.path.parent.mkdir(parents=True, exist_ok=True)
    write_bundle(version.path, manifest, head, trained_on=trained_on)
    return version
