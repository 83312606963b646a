"""What Label Studio promises at its port of ML backends and webhooks."""

from ml_backend.domain.ports import Studio
from tests.contract.labelstudio.instances import refused
from tests.studio import StubBackend, project_with_tasks


def test_a_new_backend_is_selected_and_gets_a_webhook_without_credentials_and_may_be_renamed(
    port: Studio, stub: StubBackend
) -> None:
    project = project_with_tasks(port)
    settings = {"url": stub.url, "title": "labelloop", "auth_method": "BASIC_AUTH"}

    made = port.create_backend(project.id, {**settings, "basic_auth_user": "u", "basic_auth_pass": "secret"})

    (found,) = port.backends(project.id)
    (hook,) = port.webhooks(project.id)
    assert found["id"] == made["id"]
    assert (found["url"], found["title"], found["state"]) == (stub.url, "labelloop", "CO")
    assert found["basic_auth_pass_is_set"]
    assert "basic_auth_pass" not in found
    assert port.project(project.id).model_version == "labelloop"
    assert (hook["url"], hook["headers"], hook["send_for_all_actions"]) == (f"{stub.url}/webhook", {}, True)
    renamed = port.update_backend(made["id"], {"url": stub.url, "project": project.id, "title": "new name"})
    assert renamed["title"] == port.project(project.id).model_version == "new name"


def test_backends_come_in_the_order_in_which_they_were_made_and_start_training_answers_with_nothing(
    port: Studio, stub: StubBackend
) -> None:
    project = project_with_tasks(port)
    made = [port.create_backend(project.id, {"url": stub.url, "title": title}) for title in ("first", "second")]

    port.start_training(made[0]["id"])

    assert [row["id"] for row in port.backends(project.id)] == [row["id"] for row in made]


def test_what_label_studio_cannot_use_is_refused(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    settings = {"url": stub.url, "title": "labelloop"}
    made = port.create_backend(project.id, settings)

    with refused(500):
        port.update_backend(made["id"], {"title": "other"})  # without the URL
    with refused(400, "password"):
        port.create_backend(project.id, {**settings, "auth_method": "BASIC_AUTH", "basic_auth_user": "u"})
    with refused(400):
        port.create_webhook(project.id, {"url": f"{stub.url}/webhook", "headers": {"X-One": 1}})


def test_a_webhook_can_be_made_changed_and_deleted_and_a_change_that_names_no_actions_empties_them(
    port: Studio, stub: StubBackend
) -> None:
    project = project_with_tasks(port)
    url = f"{stub.url}/webhook"
    actions = {"send_for_all_actions": False, "actions": ["ANNOTATION_CREATED"]}
    made = port.create_webhook(project.id, {"url": url, "headers": {"Authorization": "Basic dTpw"}, **actions})

    changed = port.update_webhook(made["id"], {"url": url, "headers": {"X-One": "1"}})
    (found,) = port.webhooks(project.id)
    port.delete_webhook(made["id"])

    assert (made["headers"], made["actions"]) == ({"Authorization": "Basic dTpw"}, ["ANNOTATION_CREATED"])
    assert (changed["headers"], changed["actions"]) == ({"X-One": "1"}, [])
    assert (found["url"], found["is_active"], found["send_payload"]) == (url, True, True)
    assert found["headers"] == {"X-One": "1"}
    assert port.webhooks(project.id) == []


def test_a_webhook_that_is_there_already_is_left_alone_by_a_new_backend(port: Studio, stub: StubBackend) -> None:
    project = project_with_tasks(port)
    port.create_webhook(project.id, {"url": f"{stub.url}/webhook", "headers": {"Authorization": "Basic dTpw"}})

    port.create_backend(project.id, {"url": stub.url, "title": "labelloop"})

    (hook,) = port.webhooks(project.id)
    assert hook["headers"] == {"Authorization": "Basic dTpw"}


def test_the_newest_projects_come_first_with_their_numbers_of_tasks(port: Studio) -> None:
    first, second = project_with_tasks(port, ["one", "two"], title="First"), project_with_tasks(port, title="Second")

    found = port.newest_projects(2)

    assert [(each.id, each.title, each.task_count) for each in found] == [
        (second.id, "Second", 0),
        (first.id, "First", 2),
    ]
