"""The budget of error that all certificates of a project share, in words."""

from ...domain.acceptance import KeptCertificate
from ...domain.model import LIFETIME_ERROR
from ...domain.project import Project
from ...errors import CertificateError
from ..services import Services

__all__ = ["check_certified", "spent_budget", "spent_sentence"]


def spent_budget(services: Services, project: Project) -> tuple[float, float]:
    """Return how much of `LIFETIME_ERROR` tries have spent so far, and what the next one spends if it fails."""
    from ...measuring.error_budget import error_share

    failures = services.database.certificates.failures(project.id)
    return sum(map(error_share, range(failures))), error_share(failures)


def spent_sentence(services: Services, project: Project) -> str:
    """Return what tries have spent so far."""
    spent, _ = spent_budget(services, project)
    return f"spent {spent:.4f} of the {LIFETIME_ERROR} that all certificates of the project may err with"


def check_certified(services: Services, project: Project, tried: KeptCertificate) -> None:
    """Do nothing for a certificate.

    Raises:
        CertificateError: the try has failed; it says why, and what that has spent.
    """
    if not tried.is_certified:
        raise CertificateError(
            f"{tried.version} was not certified: of {tried.rows} answers to blind rows, {tried.loss:.1%} are wrong, "
            f"and the surest of them do not show that {tried.limit:.1%} holds; {spent_sentence(services, project)}"
        )
