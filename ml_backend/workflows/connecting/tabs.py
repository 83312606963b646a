"""Tabs of the Data Manager."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...domain.project import Project
from ...labelstudio.quality_fields import ReviewTab
from ..services import Services

__all__ = ["show_tabs"]


def show_tabs(
    services: Services,
    project: Project,
    wanted: Sequence[Mapping[str, Any]],
    columns: Mapping[str, bool],
    *,
    empty: Collection[str] = (),
) -> dict[str, str]:
    """Make the tabs that are missing, and return the address of each by title.

    What people changed about a tab is left alone, except what it lists and how.

    Args:
        columns: the Data Manager's, and whether each is visible unless a tab says otherwise.
        empty: titles of those that would list nothing. They are not made: Label Studio asks whoever opens an empty
            tab to import data.
    """
    studio = services.studio
    views = studio.views(project.id)
    if not views:
        studio.create_view(project.id, ReviewTab.default_view(columns))
    views_by_title = {(view["data"] or {}).get("title"): view for view in views}
    addresses = {}
    for tab in wanted:
        view = views_by_title.get(tab["title"])
        if view is None and tab["title"] in empty:
            continue
        if view is None:
            view = studio.create_view(project.id, tab)
        elif any(view["data"].get(key) != tab[key] for key in ("filters", "ordering")):
            fresh = {key: tab[key] for key in ("filters", "ordering")}
            view = studio.update_view(project.id, view["id"], {**view["data"], **fresh})
        addresses[tab["title"]] = f"{studio.url}/projects/{project.id}/data?tab={view['id']}"
    return addresses
