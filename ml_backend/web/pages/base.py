"""The base of all pages. A new page is a module in this folder, and the template that its name gives."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from ...domain.access import Role
from ...plugins import classes_in
from ...workflows.services import Services
from ..access import Access
from ..call import Call

__all__ = ["Page", "pages_blueprint"]


class Page(ABC):
    """A page for people. It shows what endpoints of the API answer, and its buttons send to them.

    Attributes:
        name: of the page and, with `.html` added, of its template.
        path: in Flask's form.
        role: the least role that may look at it.
        heading: in the navigation; empty for pages that others lead to.
        tab: in the navigation of a project; empty for pages that are not about a project, or that tabs lead to.
        place: in the navigation, or among the tabs, from left to right.
        below: name of the page in the navigation, or among the tabs, that leads to this one.
        methods: of requests; with POST, for what must not stand in an address, and changes nothing.
    """

    name: ClassVar[str]
    path: ClassVar[str]
    role: ClassVar[Role] = Role.VIEWER
    heading: ClassVar[str] = ""
    tab: ClassVar[str] = ""
    place: ClassVar[int] = 0
    below: ClassVar[str] = ""
    methods: ClassVar[tuple[str, ...]] = ("GET",)

    @staticmethod
    def all() -> Mapping[str, type["Page"]]:
        """Return all pages by name."""
        return classes_in(__package__, Page, "name")

    @abstractmethod
    def content(self, call: Call) -> Mapping[str, Any]:
        """Return the values that the template shows."""


def pages_blueprint(services: Services, access: Access) -> Blueprint:
    """Return all pages, each open to its role."""
    blueprint = Blueprint("pages", __name__)
    for name, kind in Page.all().items():
        blueprint.add_url_rule(kind.path, name, _view(services, kind()), methods=kind.methods)
        access.roles[f"pages.{name}"] = kind.role
    return blueprint


def _view(services: Services, page: Page) -> Any:
    def view(**ids: Any) -> ResponseReturnValue:
        content = page.content(Call.of(services, ids))
        about = services.database.projects.get(ids["project_id"]) if "project_id" in ids else None
        return render_template(f"{page.name}.html", page_shown=page.below or page.name, project_shown=about, **content)

    return view
