"""Services for a command."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..options import Options
    from ..workflows.services import Services

__all__ = ["open_services", "read_settings"]


def read_settings() -> "Options":
    """Return the settings of the environment, and log what a command should: warnings and worse."""
    from ..bootstrap import configure_logging
    from ..config import load_settings

    settings = load_settings()
    configure_logging(settings.log_level if "log_level" in settings.model_fields_set else "WARNING")
    return settings


def open_services() -> "Services":
    """Return services over these settings."""
    from ..bootstrap import build_services

    return build_services(read_settings())
