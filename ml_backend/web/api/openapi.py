"""The description of the API, made from the endpoints themselves."""

import re
from typing import Any

from pydantic import BaseModel, RootModel
from pydantic.json_schema import models_json_schema

from ... import __version__
from ..call import Call
from .base import ROOT, Endpoint, NoFields

__all__: list[str] = []

PARAMETER = re.compile(r"<int(?:\([^)]*\))?:(\w+)>")
ERROR = {
    "description": "What was found, what was wanted, and what to do.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    },
}
DESCRIPTION = (
    "Send the backend's credentials (basic auth), or the cookie of a session; requests that change something then need "
    "the header X-CSRFToken as well, with the token that every page holds."
)


class OpenApi(RootModel[dict[str, Any]]):
    """A description in the form of OpenAPI 3.1."""


class DescribeApi(Endpoint):
    """Describe all endpoints in the form of OpenAPI 3.1."""

    name = "openapi"
    path = "/openapi.json"

    def answer(self, call: Call, asked: NoFields) -> OpenApi:
        del call, asked
        kinds = list(Endpoint.all().values())
        models = {model for kind in kinds for model in (kind.asked(), kind.answered()) if _is_model(model)}
        ordered = sorted(models, key=lambda model: model.__name__)
        _, schemas = models_json_schema(
            [(model, "validation") for model in ordered], ref_template="#/components/schemas/{model}"
        )
        paths: dict[str, Any] = {}
        for kind in kinds:
            paths.setdefault(ROOT + PARAMETER.sub(r"{\1}", kind.path), {})[kind.method.lower()] = _operation(kind)
        return OpenApi(
            {
                "openapi": "3.1.0",
                "info": {"title": "labelloop", "version": __version__, "description": DESCRIPTION},
                "security": [{"basic": []}, {"session": []}],
                "paths": paths,
                "components": {
                    "schemas": schemas.get("$defs", {}),
                    "securitySchemes": {
                        "basic": {"type": "http", "scheme": "basic"},
                        "session": {"type": "apiKey", "in": "cookie", "name": "labelloop_<port>"},
                    },
                },
            }
        )


def _operation(kind: type[Endpoint]) -> dict[str, Any]:
    summary, _, more = (kind.__doc__ or "").partition("\n")
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
        for name in PARAMETER.findall(kind.path)
    ]
    described: dict[str, Any] = {
        "operationId": kind.name,
        "summary": summary.strip(),
        "description": " ".join([*more.split(), f"Needs the role {kind.role}."]),
        "x-role": kind.role.value,
    }
    asked = kind.asked()
    if kind.method == "GET":
        wanted = asked.model_json_schema()
        parameters += [
            {"name": name, "in": "query", "required": name in wanted.get("required", ()), "schema": schema}
            for name, schema in wanted.get("properties", {}).items()
        ]
    else:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": _reference(asked)}}}
    if parameters:
        described["parameters"] = parameters
    answered = kind.answered()
    content = {"schema": _reference(answered) if _is_model(answered) else {"type": "string"}}
    refusals = dict.fromkeys(("400", "401", "403", "404", "409", "502", "503"), ERROR)
    described["responses"] = {"200": {"description": "Done.", "content": {kind.media_type: content}}, **refusals}
    return described


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
