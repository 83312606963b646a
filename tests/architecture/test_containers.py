"""The image and the compose file: what can be held against the rest of the project without a container engine."""

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from ml_backend.options import all_settings
from tests.architecture.tree import REPOSITORY, project_table
from tests.gateway import find_nginx, gateway_config

COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
COMPOSE_TEXT = COMPOSE_FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
SETTINGS = {f"LABELLOOP_{name.upper()}": field for name, field in all_settings().items()}
# Fixed by the image: where things lie in a container, and what its health check and the gateway count on.
FIXED_BY_THE_IMAGE = {"LABELLOOP_HOME", "LABELLOOP_HOST", "LABELLOOP_PORT"}
# In the example: `NAME=` where a value is wanted, `#NAME=default` where one is not.
REQUIRED = dict(re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))
OPTIONAL = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


class TestComposeFile:
    def test_it_follows_the_specification(self) -> None:
        pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed (extra dev)")
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE_FILE]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr

    def test_every_image_is_pinned(self) -> None:
        images = {service["image"] for service in SERVICES.values()}
        assert len(images) >= 4
        assert {image for image in images if not re.fullmatch(r"[\w./-]+:\d[\w.-]*", image)} == set()

    def test_label_studio_is_the_version_that_is_tested(self) -> None:
        (needed,) = map(Requirement, project_table()["optional-dependencies"]["studio"])
        version = str(needed.specifier).removeprefix("==")
        assert SERVICES["label-studio"]["image"] == f"heartexlabs/label-studio:{version}"

    def test_the_image_that_is_built_is_named_for_this_version(self) -> None:
        built = {service["image"] for service in SERVICES.values() if "build" in service}
        assert built == {f"labelloop:{project_table()['version']}"}

    def test_services_start_in_an_order(self) -> None:
        graph = {name: set(service.get("depends_on", ())) for name, service in SERVICES.items()}
        assert set.union(*graph.values()) <= set(graph)
        assert next(iter(TopologicalSorter(graph).static_order())) == "postgres"

    def test_what_is_waited_for_until_it_is_healthy_says_whether_it_is(self) -> None:
        waited_for = {
            name
            for service in SERVICES.values()
            for name, how in service.get("depends_on", {}).items()
            if how["condition"] == "service_healthy"
        }
        assert {"postgres", "mlflow", "backend"} <= waited_for
        # Those that are built have the image's check, unless they switch it off.
        checked = {name for name in waited_for if "test" in SERVICES[name].get("healthcheck", {})}
        checked |= {name for name in waited_for - checked if "build" in SERVICES[name] and "HEALTHCHECK" in DOCKERFILE}
        assert waited_for - checked == set()
        assert [name for name in waited_for if SERVICES[name].get("healthcheck", {}).get("disable")] == []

    def test_backend_and_worker_share_settings_and_home(self) -> None:
        backend, worker = SERVICES["backend"], SERVICES["worker"]
        assert backend["environment"] == worker["environment"]
        assert backend["volumes"] == worker["volumes"] == ["labelloop:/var/lib/labelloop"]

    def test_only_three_ports_are_published_and_by_default_to_this_machine_alone(self) -> None:
        published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
        assert set(published) == {"label-studio", "mlflow", "gateway"}
        ports = [port for ports in published.values() for port in ports]
        assert [port for port in ports if not port.startswith("${BIND_ADDRESS:-127.0.0.1}:")] == []

    def test_label_studio_is_given_an_address_of_the_gateway_that_it_accepts(self) -> None:
        host, port = SERVICES["backend"]["environment"]["LABELLOOP_PUBLIC_URL"].removeprefix("http://").split(":")
        aliases = SERVICES["gateway"]["networks"]["studio"]["aliases"]
        assert "." in host
        assert (host in aliases, port) == (True, "9090")
        assert "studio" in SERVICES["label-studio"]["networks"]

    def test_label_studio_cannot_reach_the_server_that_has_no_login(self) -> None:
        assert set(SERVICES["label-studio"]["networks"]) & set(SERVICES["mlflow"]["networks"]) == set()

    def test_every_volume_and_config_and_network_is_declared(self) -> None:
        volumes = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
        configs = {config["source"] for service in SERVICES.values() for config in service.get("configs", ())}
        networks = {network for service in SERVICES.values() for network in service["networks"]}
        assert (volumes, configs, networks) == (
            set(COMPOSE["volumes"]),
            set(COMPOSE["configs"]),
            set(COMPOSE["networks"]),
        )


class TestVariables:
    def test_the_example_names_what_the_compose_file_asks_for(self) -> None:
        interpolated = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_TEXT))
        environment = SERVICES["backend"]["environment"]
        passed_on = {name for name, value in environment.items() if value is None}
        assert interpolated | passed_on == REQUIRED.keys() | OPTIONAL.keys()

    def test_what_is_required_has_no_value_that_could_be_used_by_accident(self) -> None:
        required = set(re.findall(r"\$\{(\w+):\?", COMPOSE_TEXT))
        assert required == set(REQUIRED)
        assert set(REQUIRED.values()) == {""}

    def test_the_example_gives_the_defaults_of_the_compose_file(self) -> None:
        # ${NAME:-default}, where the default may hold such an expression itself.
        defaults = dict(re.findall(r"\$\{(\w+):-((?:[^{}$]|\$\{\w+:-[^{}]*\})*)\}", COMPOSE_TEXT))
        assert "LABEL_STUDIO_URL" in defaults
        plain = {name: re.sub(r"\$\{\w+:-([^{}]*)\}", r"\1", value) for name, value in defaults.items()}
        # A default inside another default is found by the outer one alone.
        assert {name: OPTIONAL[name] for name in plain} == plain

    def test_the_example_gives_the_defaults_of_the_settings(self) -> None:
        optional = {name: value for name, value in OPTIONAL.items() if name.startswith("LABELLOOP_")}
        assert optional == {name: str(SETTINGS[name].default) for name in optional}

    def test_every_setting_of_labelloop_can_be_set_and_every_name_is_one(self) -> None:
        assert set(SERVICES["backend"]["environment"]) | FIXED_BY_THE_IMAGE == set(SETTINGS)

    @pytest.mark.parametrize("text", [COMPOSE_TEXT, EXAMPLE, DOCKERFILE], ids=["compose", "example", "Dockerfile"])
    def test_a_name_of_labelloop_is_a_setting(self, text: str) -> None:
        named = set(re.findall(r"\bLABELLOOP_[A-Z_]+\b", text))
        assert named
        assert named - set(SETTINGS) == set()

    def test_every_variable_of_the_example_is_explained(self) -> None:
        lines = EXAMPLE.splitlines()
        variables = [number for number, line in enumerate(lines) if re.match(r"#?[A-Z][A-Z0-9_]*=", line)]
        # The password of Label Studio's first user is explained together with the address above it.
        bare = [lines[number] for number in variables if not lines[number - 1].startswith("# ")]
        assert bare == ["LABEL_STUDIO_PASSWORD="]


class TestDockerfile:
    def test_it_does_not_run_as_root(self) -> None:
        final = _instructions()[-1]
        users = [rest for name, rest in final if name == "USER"]
        assert users == ["10001:10001"]
        # The last word on users comes before what is run, and nothing is installed after it.
        names = [name for name, _ in final]
        assert names.index("USER") > max(number for number, name in enumerate(names) if name in {"RUN", "COPY"})

    def test_the_stages_start_from_one_pinned_image(self) -> None:
        assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]
        (image,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
        assert re.fullmatch(r"python:3\.1[1-3]-slim[\w-]*", image)

    def test_the_locks_that_it_names_exist_and_are_checked(self) -> None:
        named = set(re.findall(r"\blocks/[\w-]+\.txt\b", DOCKERFILE))
        assert named == {"locks/build.txt", "locks/image.txt", "locks/torch.txt", "locks/weights.txt"}
        assert {name for name in named if not (REPOSITORY / name).is_file()} == set()
        installed = re.findall(r"pip install (.*?)-r (locks/[\w-]+\.txt)", DOCKERFILE)
        unchecked = {lock for options, lock in installed if "--require-hashes" not in options}
        assert unchecked == {"locks/torch.txt"}

    def test_what_comes_from_a_repository_is_pinned_to_a_commit(self) -> None:
        (commit,) = re.findall(r"^ARG LABEL_STUDIO_ML_COMMIT=(\w+)$", DOCKERFILE, re.MULTILINE)
        assert re.fullmatch(r"[0-9a-f]{40}", commit)
        added = [rest for stage in _instructions() for name, rest in stage if name == "ADD"]
        assert len(added) == 1
        assert "#${LABEL_STUDIO_ML_COMMIT} " in added[0]

    def test_what_it_copies_exists_and_is_in_the_context(self) -> None:
        ignore = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8")
        allowed = set(re.findall(r"^!(\S+)$", ignore, re.MULTILINE))
        copied = {
            source.rstrip("/")
            for stage in _instructions()
            for name, rest in stage
            if name == "COPY" and not rest.startswith("--from=")
            for source in rest.split()[:-1]
        }
        assert copied == allowed
        assert {name for name in copied if not (REPOSITORY / name).exists()} == set()

    def test_what_it_writes_lies_on_the_volume(self) -> None:
        final = _instructions()[-1]
        (volume,) = [rest for name, rest in final if name == "VOLUME"]
        (environment,) = [rest for name, rest in final if name == "ENV"]
        values = dict(pair.split("=", 1) for pair in environment.split())
        assert values["LABELLOOP_HOME"] == volume
        assert {name for name in ("HF_HOME", "MPLCONFIGDIR") if not values[name].startswith(f"{volume}/")} == set()

    def test_a_build_of_torch_for_cuda_stops_it_unless_it_is_wanted(self, tmp_path: Path) -> None:
        builder = "\n".join(rest for stage in _instructions() for name, rest in stage if name == "RUN")
        (check,) = re.findall(r'-c "(import sys, torch;[^"]*)"', builder)
        for cuda, allow, status in [("None", "0", 0), ("'12.8'", "0", 1), ("'12.8'", "1", 0)]:
            version = f"class version:\n    cuda = {cuda}\n__version__ = '2.0'\n"
            (tmp_path / "torch.py").write_text(version, encoding="utf-8")
            command = [sys.executable, "-c", check.replace("$ALLOW_CUDA", allow)]
            run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (run.returncode, "TORCH_INDEX_URL" in run.stderr) == (status, status == 1), run.stderr


def test_nginx_accepts_the_gateway_s_configuration(tmp_path: Path) -> None:
    nginx, config = find_nginx(), tmp_path / "nginx.conf"
    config.write_text(gateway_config(tmp_path, [9]), encoding="utf-8")
    checked = subprocess.run(
        [nginx, "-t", "-c", config, "-p", tmp_path], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert checked.returncode == 0, checked.stderr


def _instructions() -> list[list[tuple[str, str]]]:
    """Per stage: the instructions with what follows them, comments left out and lines joined."""
    text = "\n".join(line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    stages: list[list[tuple[str, str]]] = [[]]
    for line in filter(None, joined.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append((name, rest.strip()))
    return stages
