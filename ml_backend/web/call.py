"""A request, as a page or an endpoint of the API gets to know it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import request
from flask_login import current_user
from pydantic import BaseModel, ValidationError

from ..errors import PayloadError
from ..workflows.services import Services
from .access import Visitor

__all__ = ["Call", "fields_of"]

FOR_THE_FORM = ("csrf_token", "next")
"""Fields of every form that the endpoint itself does not read."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call:
    """A request of somebody who may make it.

    Attributes:
        ids: what the path names, such as `job_id`.
    """

    services: Services
    visitor: Visitor
    ids: Mapping[str, Any]

    @classmethod
    def of(cls, services: Services, ids: Mapping[str, Any]) -> "Call":
        """Return the present request; its services are those of the project that the path names."""
        return cls(services.for_project(ids.get("project_id", 0)), current_user, ids)


def fields_of(model: type[ModelT]) -> ModelT:
    """Return the request's fields: of a JSON object, of a form, or of the query.

    Raises:
        PayloadError: they are not what the model wants.
    """
    values: Any
    if request.method == "GET":
        values = {name: text for name, text in request.args.items() if text}
    elif request.mimetype == "application/json":
        values = request.get_json(silent=True)
    else:
        values = {name: text for name, text in request.form.items() if text and name not in FOR_THE_FORM}
    try:
        return model.model_validate({} if values is None and not request.get_data() else values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise PayloadError(f"{where}: {first['msg']}; {request.path} wants {_wanted(model)}") from None


def _wanted(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields) or "an empty JSON object"
