"""Projects of Label Studio that are not connected yet."""

from pydantic import BaseModel, Field

from ...domain.access import Role
from ...workflows.connecting.candidates import connection_preview, unconnected_projects
from ..call import Call
from .base import Endpoint, NoFields
from .projects import PROJECT

__all__ = ["PreviewConnection", "SomeStudioProjects"]


class UnconnectedProject(BaseModel):
    """A project that could be connected."""

    id: int
    title: str
    tasks: int


class UnconnectedProjects(BaseModel):
    """The projects that could be connected, newest first."""

    projects: list[UnconnectedProject]
    is_cut: bool = Field(description="Older ones may be missing from the list.")


class ConnectionPreview(BaseModel):
    """The findings about a project that could be connected, and what would be done."""

    title: str
    tasks: int
    problem: str = Field(description="Why it cannot be connected; empty where it can.")
    facts: list[str] = Field(description="What was found in its label config and its first tasks.")
    steps: list[str] = Field(description="What would be made or set.")


class SomeStudioProjects(Endpoint):
    """List the projects of Label Studio that are not connected."""

    name = "studio_projects"
    path = "/studio-projects"
    role = Role.ADMIN

    def answer(self, call: Call, asked: NoFields) -> UnconnectedProjects:
        del asked
        return UnconnectedProjects(**unconnected_projects(call.services))


class PreviewConnection(Endpoint):
    """Look at a project's label config and first tasks, and say what connecting it would do."""

    name = "preview_connection"
    path = f"/studio-projects/{PROJECT}"
    role = Role.ADMIN

    def answer(self, call: Call, asked: NoFields) -> ConnectionPreview:
        del asked
        return ConnectionPreview(**connection_preview(call.services, call.ids["project_id"]))
