"""The base of all endpoints of the API. A new one is a class in a module of this folder."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, get_type_hints

from flask import Blueprint, Response, flash, redirect, request
from flask.typing import ResponseReturnValue
from pydantic import BaseModel

from ...domain.access import Role
from ...errors import LabelloopError
from ...plugins import classes_in
from ...workflows.accounts import Accounts
from ...workflows.services import Services
from ..access import Access, own_path
from ..call import Call, fields_of

__all__ = ["Endpoint", "NoFields", "api_blueprint"]

ROOT = "/api"


class NoFields(BaseModel, extra="forbid"):
    """Nothing: all that is asked stands in the path."""


class Endpoint(ABC):
    """An endpoint; the first line of the docstring says what it does.

    `answer` says by its annotations which fields it reads and what it returns. A form may be sent to it as well, and is
    answered by going on to a page.

    Attributes:
        name: of the endpoint, unique, and never changed: the audit log keeps it.
        path: below `/api`, in Flask's form.
        role: the least role that may use it.
        subject: what it is about in the audit log, with names of the path and of fields in braces.
        words: on the button that sends it; empty where nothing has a button.
        loss: what is lost by it, with the path's names in braces; a page asks before it is sent.
        media_type: of the answer.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    method: ClassVar[str] = "GET"
    role: ClassVar[Role] = Role.VIEWER
    subject: ClassVar[str] = ""
    words: ClassVar[str] = ""
    loss: ClassVar[str] = ""
    media_type: ClassVar[str] = "application/json"

    @staticmethod
    def all() -> Mapping[str, type["Endpoint"]]:
        """Return all endpoints by name."""
        return classes_in(__package__, Endpoint, "name")

    @classmethod
    def asked(cls) -> type[BaseModel]:
        """Return the model of the fields that it reads."""
        found: type[BaseModel] = get_type_hints(cls.answer)["asked"]
        return found

    @classmethod
    def answered(cls) -> Any:
        """Return the model of what it returns."""
        return get_type_hints(cls.answer)["return"]

    @classmethod
    def read(cls) -> Any:
        """Return the request's fields.

        Raises:
            PayloadError: they are not what is wanted.
        """
        return fields_of(cls.asked())

    @abstractmethod
    def answer(self, call: Call, asked: Any) -> Any:
        """Do what is asked, and return a model."""

    def carry_out(self, call: Call, asked: Any) -> Any:
        """Do what is asked, write an entry into the audit log, and return the model."""
        accounts, subject = Accounts(call.services), self.subject.format(**call.ids, **asked.model_dump())
        try:
            answer = self.answer(call, asked)
        except LabelloopError as error:
            accounts.note(call.visitor.entry(self.name, subject, outcome="failed", detail=str(error)))
            raise
        accounts.note(call.visitor.entry(self.name, subject, detail=self.sentence(answer)))
        return answer

    def sentence(self, answer: Any) -> str:  # noqa: ARG002 (for those that say more)
        """Return what a page says once a form has been answered."""
        return "Done."

    def secret(self, answer: Any) -> str:  # noqa: ARG002 (for those that have one)
        """Return what a page shows once beside the sentence, and the audit log does not keep; empty: nothing."""
        return ""

    def next_path(self, answer: Any) -> str:  # noqa: ARG002 (for those that lead elsewhere)
        """Return the page to go on to once a form has been answered."""
        return own_path(request.form.get("next"))


def api_blueprint(services: Services, access: Access) -> Blueprint:
    """Return all endpoints, each open to its role."""
    blueprint = Blueprint("api", __name__, url_prefix=ROOT)
    for name, kind in Endpoint.all().items():
        blueprint.add_url_rule(kind.path, name, _view(services, kind()), methods=[kind.method])
        access.roles[f"api.{name}"] = kind.role
    return blueprint


def _view(services: Services, endpoint: Endpoint) -> Any:
    def view(**ids: Any) -> ResponseReturnValue:
        call = Call.of(services, ids)
        if endpoint.method == "GET":
            return _response(endpoint.answer(call, endpoint.read()))
        answer = endpoint.carry_out(call, endpoint.read())
        if request.mimetype == "application/json" or isinstance(answer, Response):
            return _response(answer)
        for said in filter(None, (endpoint.sentence(answer), endpoint.secret(answer))):
            flash(said)
        return redirect(endpoint.next_path(answer), 303)

    return view


def _response(answer: Any) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(answer.model_dump_json(), mimetype="application/json")
