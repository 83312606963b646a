"""The compose file and the manifests of a Ray cluster: what can be held against the rest without running them."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from ml_backend.options import Options, all_settings
from tests.architecture.tree import REPOSITORY, project_table

OVERLAY = REPOSITORY / "docker-compose.ray.yml"
MANIFESTS = REPOSITORY / "deploy" / "kubernetes.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(OVERLAY.read_text(encoding="utf-8"))["services"]
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8")))
PODS = {each["metadata"]["name"]: each["spec"]["template"] for each in OBJECTS if each["kind"] == "Deployment"}
IMAGE = f"labelloop:{project_table()['version']}-ray"
SETTINGS = {f"LABELLOOP_{name.upper()}" for name in all_settings()}
RAY_HEAD = re.compile(r"[\w-]+:6379")


class TestComposeOverlay:
    def test_it_follows_the_specification(self) -> None:
        pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed (extra dev)")
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", OVERLAY]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr

    def test_it_adds_to_what_is_there(self) -> None:
        added = SERVICES.keys() - COMPOSE["services"].keys()
        assert added == {"ray-head", "ray-node"}
        networks = {network for service in SERVICES.values() for network in service.get("networks", ())}
        volumes = {each.partition(":")[0] for service in SERVICES.values() for each in service.get("volumes", ())}
        assert networks <= set(COMPOSE["networks"])
        assert volumes <= set(COMPOSE["volumes"])
        assert set(SERVICES["worker"]["environment"]) <= SETTINGS
        assert {service["image"] for service in SERVICES.values()} == {IMAGE}

    def test_the_cluster_is_reached_by_nobody_from_outside(self) -> None:
        assert [name for name, service in SERVICES.items() if "ports" in service] == []
        assert SERVICES["ray-head"]["networks"] == ["models"]

    def test_all_of_it_is_one_cluster(self) -> None:
        said = [*SERVICES["ray-node"]["command"], *SERVICES["worker"]["command"]]
        named = {found for words in said for found in RAY_HEAD.findall(words)}
        assert named == {"ray-head:6379"} == {SERVICES["worker"]["environment"]["LABELLOOP_RAY_ADDRESS"]}


class TestManifests:
    def test_they_follow_the_schemas_of_kubernetes(self) -> None:
        checker = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
        for each in OBJECTS:
            checker.validate(each, checker.latest_version(), strict=True)

    def test_everything_that_is_named_is_there(self) -> None:
        names = {(each["kind"], each["metadata"]["name"]) for each in OBJECTS}
        pods = list(PODS.values())
        claims = {
            volume["persistentVolumeClaim"]["claimName"]
            for pod in pods
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        }
        assert {("PersistentVolumeClaim", claim) for claim in claims} <= names
        for pod in pods:
            volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
            (container,) = pod["spec"]["containers"]
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
            assert container["image"] == IMAGE
        for each in OBJECTS:
            if each["kind"] == "Service":
                wanted = each["spec"]["selector"].items()
                (pod,) = [pod for pod in pods if wanted <= pod["metadata"]["labels"].items()]
                ports = {port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
                assert {port["port"] for port in each["spec"]["ports"]} <= ports

    def test_the_settings_are_ones_that_work(self) -> None:
        (data,) = [each["data"] for each in OBJECTS if each["kind"] == "ConfigMap"]
        options = Options(**{name.removeprefix("LABELLOOP_").lower(): value for name, value in data.items()})
        hosts = {each["metadata"]["name"] for each in OBJECTS if each["kind"] == "Service"}
        assert options.ray.address.partition(":")[0] in hosts
        assert options.jobs.launcher == "ray"
        shared = {mount["mountPath"] for mount in PODS["labelloop-ray-node"]["spec"]["containers"][0]["volumeMounts"]}
        assert options.shared.url in shared

    def test_a_node_has_room_for_what_work_is_promised(self) -> None:
        (data,) = [each["data"] for each in OBJECTS if each["kind"] == "ConfigMap"]
        ray = Options(ray_resources=data["LABELLOOP_RAY_RESOURCES"]).ray
        (container,) = PODS["labelloop-ray-node"]["spec"]["containers"]
        said = dict(re.findall(r"--([\w-]+)=(\d+)", " ".join([*container["command"], *container["args"]])))
        for kind in ("train", "predict", "audit"):
            promised = ray.resources_of(kind)
            assert promised["cpu"] <= int(said["num-cpus"])
            assert promised["memory_gb"] * 1e9 <= int(said["memory"])

    def test_the_cluster_and_the_server_without_login_are_closed(self) -> None:
        policies = {each["metadata"]["name"]: each["spec"] for each in OBJECTS if each["kind"] == "NetworkPolicy"}
        ray = {name for name, pod in PODS.items() if "ray start" in str(pod) or "'ray', 'start'" in str(pod)}
        chosen = {name for name, pod in PODS.items() if pod["metadata"]["labels"].get("cluster") == "ray"}
        assert ray == chosen
        assert policies["labelloop-ray"]["podSelector"]["matchLabels"] == {"cluster": "ray"}
        assert (
            PODS["labelloop-mlflow"]["metadata"]["labels"].items()
            >= policies["labelloop-mlflow"]["podSelector"]["matchLabels"].items()
        )
