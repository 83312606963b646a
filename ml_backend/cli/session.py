"""Services for a command."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..options import Options
    from ..workflows.services import Services

__all__ = ["open_services", "read_settings"]


def read_settings(**overrides: object) -> "Options":
    """Settings of the environment and the command line, with logging set up for a command: warnings and worse."""
    from ..bootstrap import configure_logging
    from ..config import load_settings

    settings = load_settings(**overrides)
    configure_logging(settings.log_level if "log_level" in settings.model_fields_set else "WARNING")
    return settings


def open_services(**overrides: object) -> "Services":
    """Services over these settings."""
    from ..bootstrap import build_services

    return build_services(read_settings(**overrides))
