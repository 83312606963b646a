"""Tries for certificates, and which of them is in force."""

import dataclasses
from collections.abc import Sequence

from sqlalchemy import Boolean, Column, Float, Index, Integer, RowMapping, Table, func, insert, select, text, update

from ...domain.acceptance import KeptCertificate
from .base import Repository, String, StudioId, Text, UtcDateTime, metadata

__all__ = ["CertificateRepository"]

certificates = Table(
    "certificates",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project_id", StudioId, nullable=False, index=True),
    Column("version", String(255), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("snapshot_id", String(64), nullable=False),
    # NULL where the test rows did not certify any.
    Column("threshold", Float),
    Column("limit", Float, nullable=False),
    Column("delta", Float, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("loss", Float, nullable=False),
    Column("share", Float, nullable=False),
    Column("audit_share", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("ending", Text, nullable=False),
    Column("was_refuted", Boolean, nullable=False),
    # One certificate per project is in force; every pre-label asks for it.
    Index(
        "uq_certificates_in_force",
        "project_id",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
)

FIELDS = [field.name for field in dataclasses.fields(KeptCertificate)]


class CertificateRepository(Repository):
    """Append-only, except for the end of a certificate. At most one per project is in force."""

    def add(self, tried: KeptCertificate) -> KeptCertificate:
        """Store a try. A certificate takes the place of the one in force; a failure leaves that one as it is."""
        now = self._now()
        values = {name: getattr(tried, name) for name in FIELDS if name != "id"} | {"created_at": now}
        if not tried.is_certified:
            values["ended_at"] = now
        with self._engine.begin() as connection:
            if tried.is_certified:
                replaced = update(certificates).where(
                    certificates.c.project_id == tried.project_id, certificates.c.ended_at.is_(None)
                )
                connection.execute(replaced.values(ended_at=now, ending="another certificate took its place"))
            number = connection.execute(insert(certificates).values(values).returning(certificates.c.id)).scalar_one()
        return dataclasses.replace(tried, id=number, created_at=now, ended_at=values["ended_at"])

    def end(self, certificate: KeptCertificate, ending: str, *, was_refuted: bool = False) -> bool:
        """End a certificate; False where it has ended already.

        Args:
            was_refuted: audits end it.
        """
        statement = (
            update(certificates)
            .where(certificates.c.id == certificate.id, certificates.c.ended_at.is_(None))
            .values(ended_at=self._now(), ending=ending, was_refuted=was_refuted)
            .returning(certificates.c.id)
        )
        with self._engine.begin() as connection:
            return connection.execute(statement).first() is not None

    def open(self, project_id: int) -> KeptCertificate | None:
        """The project's certificate that nobody has ended; ask `certificate_in_force` whether it still holds."""
        statement = select(certificates).where(
            certificates.c.project_id == project_id, certificates.c.ended_at.is_(None)
        )
        return next(map(_certificate, self._rows(statement)), None)

    def all(self, project_id: int) -> Sequence[KeptCertificate]:
        """All tries of a project, failed ones included, the newest first."""
        statement = (
            select(certificates).where(certificates.c.project_id == project_id).order_by(certificates.c.id.desc())
        )
        return list(map(_certificate, self._rows(statement)))

    def failures(self, project_id: int) -> int:
        """How many tries did not certify a threshold; each has spent a share of the project's budget of error."""
        statement = select(func.count()).where(
            certificates.c.project_id == project_id, certificates.c.threshold.is_(None)
        )
        return self._value(statement) or 0


def _certificate(row: RowMapping) -> KeptCertificate:
    return KeptCertificate(**{name: row[name] for name in FIELDS})
