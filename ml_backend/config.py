"""The one place that reads the environment."""

import os
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .errors import ConfigurationError
from .options import PREFIX, Options, all_settings, problem_of

__all__ = ["load_settings"]


class _Settings(Options, BaseSettings):
    """The options of this process: each setting is read from `LABELLOOP_<NAME>` in the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (it knows no groups)
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (there is no such file)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (nor such a folder)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return what is given to the constructor, then the environment."""
        return init_settings, _Environment(settings_cls)


class _Environment(PydanticBaseSettingsSource):
    """The settings that the environment holds, by name. `Options` puts them into their groups."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return os.environ.get(PREFIX + field_name.upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        environment = {name.upper(): value for name, value in os.environ.items()}
        names = ((PREFIX + name.upper(), name) for name in all_settings())
        return {name: environment[variable] for variable, name in names if variable in environment}


def load_settings(**overrides: object) -> Options:
    """Return the settings of the environment, with overrides from the command line.

    Raises:
        ConfigurationError: a value cannot work, or the environment holds a `LABELLOOP_` name that is no setting.
    """
    names = {PREFIX + name.upper() for name in all_settings()}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in names)
    if unknown:
        raise ConfigurationError(
            f"unknown setting {', '.join(unknown)} in the environment; the known ones are listed in the README "
            "(a misspelt name would otherwise be ignored)"
        )
    try:
        return _Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigurationError("; ".join(map(problem_of, error.errors()))) from None
