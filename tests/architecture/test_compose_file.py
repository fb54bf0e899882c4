"""docker-compose.airflow.yml, as far as it can be checked without Docker: every reference in it leads somewhere."""

import fnmatch
import json
import re
import shlex
import socket
from importlib import resources
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import yaml

from spool.shipping.ship_lock import ShipLock
from stack.compose_env import filled, write_environment
from stack.credentials import USERS
from stack.environment import connections, deployment
from stack.image.beats import beats
from stack.image.log_host import host_name
from stack.place import BUCKETS, OFFSETS, Place
from tests.support.airflow_home import REPOSITORY

FILE = REPOSITORY / "docker-compose.airflow.yml"
# ${NAME}, ${NAME:-default}, ${NAME:?message}; $$ is a dollar.
VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})")


@pytest.fixture(scope="module")
def example():
    """.env as a person gets it."""
    lines = filled((REPOSITORY / ".env.example").read_text()).splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def compose(example):
    """The file with merges and variables resolved, as Compose sees it."""
    return interpolate(yaml.safe_load(FILE.read_text()), example)


def interpolate(node, variables):
    if isinstance(node, dict):
        return {key: interpolate(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(value, variables) for value in node]
    return VARIABLE.sub(lambda match: resolved(match, variables), node) if isinstance(node, str) else node


def resolved(match, variables):
    name, kind, text = match.groups()
    if name is None:
        return "$"
    if value := variables.get(name):
        return value
    assert kind == "-", f"{name} has neither a value nor a default"
    return text


def schema_problems(document):
    text = resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text()
    schema = json.loads(text)
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]


def services(compose, **having):
    return {name: service for name, service in compose["services"].items() if having.items() <= service.items()}


def airflow_services(compose):
    return services(compose, image="spillway-airflow")


def test_it_fits_the_schema_of_the_compose_specification(compose):
    assert schema_problems(compose) == []
    assert schema_problems(yaml.safe_load(FILE.read_text())) == []


def test_the_schema_would_see_a_mistyped_key(compose):
    mistyped = {**compose, "services": {"s3": {"image": "x", "heathcheck": {}}}}
    assert schema_problems(mistyped) != []


def test_every_variable_is_in_the_example_and_every_one_of_the_example_is_used(example):
    used = {match[1] for match in VARIABLE.finditer(FILE.read_text()) if match[1]}
    assert used == set(example)


def test_a_secret_has_no_default(example):
    secret = [name for name, value in template_lines() if value.startswith("make:")]
    assert len(secret) == 17
    for match in VARIABLE.finditer(FILE.read_text()):
        if match[1] in secret:
            assert match[2] == "?", f"{match[0]} must be refused when it is not set"


def template_lines():
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    return [line.split("=", 1) for line in lines if line and not line.startswith("#")]


def test_secrets_are_fresh_each_time():
    template = (REPOSITORY / ".env.example").read_text()
    one, other = filled(template), filled(template)
    assert "make:" not in one.split("AIRFLOW_PORT")[1]
    assert sum(a != b for a, b in zip(one.splitlines(), other.splitlines(), strict=True)) == 17


def test_every_volume_is_declared_and_used_and_every_bound_file_exists(compose):
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])}
    named = {volume for volume in used if not volume.startswith(".")}
    assert named == set(compose["volumes"])
    bound = used - named
    assert bound
    assert all((REPOSITORY / path).is_file() for path in bound)


def test_every_build_context_has_its_dockerfile_and_what_that_copies(compose):
    built = {service["image"]: service["build"] for service in compose["services"].values() if "build" in service}
    assert set(built) == {"spillway-airflow", "spillway-collector"}
    for build in built.values():
        dockerfile = REPOSITORY / build["context"] / build["dockerfile"]
        copied = [line for line in dockerfile.read_text().splitlines() if re.match(r"COPY (?!--from)", line)]
        assert copied
        for line in copied:
            for source in shlex.split(line)[1:-1]:
                assert (REPOSITORY / source).exists(), source
                assert sent_to_docker(source), f"{source} is left out by .dockerignore"


def sent_to_docker(path):
    """.dockerignore: the last pattern that fits decides; a kept folder keeps its contents."""
    lines = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    sent = True
    for line in lines:
        pattern = line.removeprefix("!")
        if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
            sent = line.startswith("!")
    return sent


def test_nothing_private_is_sent_to_docker():
    assert not any(sent_to_docker(path) for path in (".env", ".git", ".stack", ".venv", "docs/DAGs.md"))


def test_a_service_waits_only_for_what_can_become_healthy(compose):
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items():
            assert other in compose["services"], f"{name} waits for {other}, which does not exist"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][other], f"{name} waits for the health of {other}"


def test_the_scheduler_starts_after_the_api_server(compose):
    waits = compose["services"]["airflow-scheduler"]["depends_on"]
    assert waits["airflow-api-server"] == {"condition": "service_healthy"}


def test_all_components_and_the_shipper_are_there_with_one_host_name(compose):
    names = set(airflow_services(compose))
    components = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"}
    assert names == components | {"airflow-init", "shipper"}
    # Containers that share the spool folder and had different names would each start a log of their own.
    assert {service["hostname"] for service in airflow_services(compose).values()} == {"spillway"}


def test_airflow_is_told_what_the_local_stack_tells_it(compose, tmp_path):
    place = Place(tmp_path, 20000)
    told = airflow_services(compose)["airflow-scheduler"]["environment"]
    assert connections(place).keys() <= told.keys()
    # Folders of the local stack's own, and its mirror (a web server of one's own here).
    left_out = {"STACK_DIR", "STACK_PORT_BASE", "SPILLWAY_MIRROR_PORT"}
    assert deployment(place).keys() - left_out <= told.keys()
    for name, text in connections(place).items():
        ours, theirs = json.loads(told[name]), json.loads(text)
        assert ours["conn_type"] == theirs["conn_type"]
        assert ours.get("schema") == theirs.get("schema")


def test_the_schema_is_upgraded_before_any_component_starts_in_the_database_that_mariadb_makes(compose):
    init, server = compose["services"]["airflow-init"], compose["services"]["mariadb"]["environment"]
    assert {"mariadb", "postgres", "s3"} <= init["depends_on"].keys()
    assert {how["condition"] for how in init["depends_on"].values()} == {"service_healthy"}
    for name, service in airflow_services(compose).items():
        uri = urlsplit(service["environment"]["SPILLWAY_DATABASE_URI"])
        assert (uri.hostname, uri.path) == ("mariadb", f"/{server['MARIADB_DATABASE']}"), name
        assert (uri.username, unquote(uri.password)) == (server["MARIADB_USER"], server["MARIADB_PASSWORD"]), name
        assert name == "airflow-init" or "airflow-init" in started_before(compose, name)


def started_before(compose, name):
    """The services that must have started, or ended well, before this one."""
    waits = compose["services"][name].get("depends_on", {})
    return set(waits).union(*(started_before(compose, other) for other in waits))


def test_hosts_that_airflow_is_told_are_services(compose):
    told = airflow_services(compose)["airflow-scheduler"]["environment"]
    hosts = {json.loads(value).get("host") for name, value in told.items() if name.startswith("AIRFLOW_CONN_")}
    texts = [str(value) for name, value in told.items() if not name.endswith("BASE_URL")]
    hosts |= {match[1] for text in texts for match in re.finditer(r"(?:https?|mongodb)://(?:[^@/]*@)?([\w-]+)", text)}
    hosts |= {match[1] for text in texts for match in re.finditer(r"@([\w-]+):5432", text)}
    hosts |= {told["COLLECTOR_A_HOST"], told["COLLECTOR_B_HOST"], told["SPOOL_KAFKA_BOOTSTRAP"].split(":")[0]}
    hosts -= {None}
    assert len(hosts) >= 8
    assert hosts <= compose["services"].keys()


def test_every_user_has_a_password(compose):
    told = compose["services"]["airflow-init"]["environment"]
    assert {name for name in told if name.startswith("AIRFLOW_PASSWORD_")} == {
        f"AIRFLOW_PASSWORD_{user.upper()}" for user in USERS
    }
    users = told["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"]
    assert dict(pair.split(":") for pair in users.split(",")) == USERS


def test_ports_are_published_on_loopback_only(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_it_has_the_neighbours_of_the_local_stack(compose):
    local = {name for name in OFFSETS if "_" not in name} - {"smtp", "mirror", "airflow"}
    assert local | {"mail", "collector-a", "collector-b"} <= compose["services"].keys()
    assert f"-bucket={BUCKETS[0]}" in compose["services"]["s3"]["command"]


def test_images_are_pinned_to_a_version(compose):
    ours = {"spillway-airflow", "spillway-collector"}
    for name, service in compose["services"].items():
        if service["image"] not in ours:
            assert re.search(r":v?\d+\.\d+", service["image"]), f"{name}: {service['image']}"
    for path in (REPOSITORY / "stack" / "image").glob("*Dockerfile"):
        for image in re.findall(r"(?m)^FROM (\S+)", path.read_text()):
            assert re.search(r":\d+\.\d+", image), f"{path.name}: {image}"


def test_every_service_that_stays_has_a_health_check_and_bounded_output(compose):
    for name, service in compose["services"].items():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert "healthcheck" in service or service["restart"] == "no", name


def test_one_service_builds_each_image(compose):
    built = [service["image"] for service in compose["services"].values() if "build" in service]
    assert sorted(built) == ["spillway-airflow", "spillway-collector"]


def test_processes_whose_parents_ended_are_reaped(compose):
    for name, service in compose["services"].items():
        if service["image"].startswith("spillway-"):
            assert service["init"] is True, name


def test_only_the_container_that_imports_can_write_measurements(compose, example):
    seen = {name for name, service in compose["services"].items() if example["MONGO_IMPORT_PASSWORD"] in str(service)}
    assert seen == {"airflow-scheduler", "mongo"}


def test_no_collector_can_reach_the_keys_of_another(compose):
    keys = [
        volume.split(":")[0]
        for name, service in compose["services"].items()
        if name.startswith("collector-")
        for volume in service["volumes"]
        if volume.endswith(":/keys")
    ]
    assert len(keys) == len(set(keys)) == 2


def test_the_variables_are_for_their_owner_and_never_replaced(tmp_path):
    target = tmp_path / ".env"
    write_environment(REPOSITORY / ".env.example", target)
    assert target.stat().st_mode & 0o777 == 0o600
    before = target.read_text()
    with pytest.raises(FileExistsError):
        write_environment(REPOSITORY / ".env.example", target)
    assert target.read_text() == before


def test_signing_keys_are_as_long_as_airflow_wants_them(example):
    assert len(example["AIRFLOW_JWT_SECRET"]) >= 64
    assert len(example["AIRFLOW_SECRET_KEY"]) >= 64


@pytest.mark.parametrize(("variable", "name"), [("airflow-scheduler", "airflow-scheduler"), ("", None)])
def test_logs_of_running_tasks_are_fetched_from_the_service_that_runs_them(monkeypatch, variable, name):
    monkeypatch.setenv("SPILLWAY_LOG_HOST", variable)
    assert host_name() == (name or socket.gethostname())


def test_a_shipper_without_a_recent_heartbeat_is_not_healthy(monkeypatch, tmp_path):
    monkeypatch.setenv("SPOOL_FOLDER", str(tmp_path))
    assert not beats("shipper")
    with ShipLock(tmp_path) as lock:
        lock.beat()
        assert beats("shipper")
