"""Which certificate of a project is in force. Whoever acts by a certificate asks here."""

import logging

from ...domain.acceptance import KeptCertificate
from ...domain.project import Project
from ..services import Services

__all__ = ["certificate_in_force", "stop_accepting"]

log = logging.getLogger(__name__)


def certificate_in_force(services: Services, project: Project) -> KeptCertificate | None:
    """Return the project's certificate, or None. One whose version or label config is not the present one ends here."""
    certificate = services.database.certificates.open(project.id)
    if certificate is None:
        return None
    serving = services.versions.serving(project)
    if serving != certificate.version:
        ending = f"{serving} serves instead of {certificate.version}"
    elif project.label_config_fingerprint != certificate.fingerprint:
        ending = "the label config has changed"
    else:
        return certificate
    if services.database.certificates.end(certificate, ending):
        log.warning("project %s: nothing is accepted any more: %s", project.id, ending)
    return None


def stop_accepting(services: Services, project: Project, actor: str = "") -> bool:
    """End the certificate in force; False where none is. What was accepted stays.

    Args:
        actor: the user who wants it, where that is known.
    """
    certificate = certificate_in_force(services, project)
    ending = f"it was switched off by {actor}" if actor else "it was switched off"
    return certificate is not None and services.database.certificates.end(certificate, ending)
