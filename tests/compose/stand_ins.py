"""
Stand-ins for the images that the compose file and its Dockerfiles name, under the same names.

Where an image registry answers, the real images are pulled and nothing here is used. Elsewhere each image is made of
Debian's, PyPI's, npm's, Go's and Maven's packages; what that cannot show is said in `DIFFERENCES`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import yaml

from stack.place import REPOSITORY
from tests.compose.engine import Engine

IMAGES = Path(__file__).parent / "images"
DIFFERENCES = {
    "debian": "a debootstrap of the same release, without /etc/machine-id",
    "python": "Debian's Python 3.11 in /usr instead of /usr/local",
    "postgres": "Debian's server; users, first start and health check are imitated",
    "mariadb": "Debian's server; users, first start and health check are imitated",
    "apache/kafka": "the same jars from Maven Central; variables become properties, without upstream's defaults",
    "chrislusf/seaweedfs": "the same program from its wheel; the entrypoint is imitated",
    "mongo": "SecantusDB with a replica set's name; mongosh is real; elections and write concerns are not tried",
    "axllent/mailpit": "the program built from its module, without the scripts of its page",
}


def images_wanted() -> list[str]:
    """Every upstream image of the compose file and of our Dockerfiles, bases first."""
    compose = yaml.safe_load((REPOSITORY / "docker-compose.airflow.yml").read_text())
    upstream = {service["image"] for service in compose["services"].values() if "/spillway" not in service["image"]}
    bases = {
        match[1]
        for path in (REPOSITORY / "stack" / "image").glob("*Dockerfile")
        for match in re.finditer(r"(?m)^FROM (\S+)", path.read_text())
    }
    ours = {"spillway-airflow", "spillway-collector"}
    return [*sorted(bases), *sorted(upstream - ours - bases)]


def provide(engine: Engine, say: Callable[[str], None]) -> list[str]:
    """Pull or build what is missing; the names of those that are stand-ins."""
    wanted = images_wanted()
    if _pulls(engine, wanted[0]):
        for image in wanted:
            engine.docker("pull", "-q", image)
        return []
    say("no image registry answers: stand-ins are built from packages")
    debian = next(image for image in wanted if image.startswith("debian:"))
    python = next(image for image in wanted if image.startswith("python:"))
    for image in (debian, python, *(name for name in wanted if name not in (debian, python))):
        say(f"  {image}")
        _build(engine, image, debian, python)
    return wanted


def _pulls(engine: Engine, image: str) -> bool:
    try:
        return subprocess.run(
            ["docker", "pull", "-q", image], env=engine.environment, capture_output=True, timeout=60, check=False
        ).returncode == 0  # fmt: skip
    except subprocess.TimeoutExpired:
        return False


def _build(engine: Engine, image: str, debian: str, python: str) -> None:
    name, tag = image.rsplit(":", 1)
    if name == "debian":
        _debootstrap(engine, image)
        return
    kind = name.rsplit("/", 1)[-1]
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder) / kind
        shutil.copytree(IMAGES / kind, context)
        if fill := {"kafka": _kafka_jars, "mongo": _mongo_parts, "mailpit": _mailpit_program}.get(kind):
            fill(context, tag)
        command = [
            "docker", "build", "-q", "--network", "host", "-t", image, "--build-arg", f"VERSION={tag}",
            "--build-arg", f"DEBIAN={debian}", "--build-arg", f"PYTHON={python}", context,
        ]  # fmt: skip
        # The classic builder needs neither buildx nor a frontend image.
        _run(command, env={**engine.environment, "DOCKER_BUILDKIT": "0"})


def _debootstrap(engine: Engine, image: str) -> None:
    """Debian's minimal system with this machine's settings for apt and pip, which know where packages come from."""
    if engine.docker("image", "inspect", image, check=False).returncode == 0:
        return
    sources = next(
        path for path in map(Path, ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")) if path.exists()
    )
    mirror = re.search(r"(?m)^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+)", sources.read_text())
    assert mirror, f"{sources} names no mirror"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        _run(["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", root, mirror[1]])
        for path in (*(root / "var/lib/apt/lists").glob("*"), *(root / "var/cache/apt/archives").glob("*.deb")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (root / "etc/machine-id").unlink(missing_ok=True)
        (root / "etc/apt/sources.list").write_text("")
        settings = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", str(sources)]
        settings += map(str, Path("/etc/apt/apt.conf.d").glob("99*"))
        for path in map(Path, settings):
            if path.exists():
                shutil.copy(path, root / path.relative_to("/"))
        archive = Path(folder) / "root.tar"
        _run(["tar", "-C", root, "-cf", archive, "."])
        engine.docker("import", "--change", 'CMD ["bash"]', archive, image)


def _kafka_jars(context: Path, version: str) -> None:
    pom = REPOSITORY / "stack" / "kafka" / "pom.xml"
    _run(["mvn", "-q", "-B", "-ntp", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime",
          f"-DoutputDirectory={context / 'lib'}"])  # fmt: skip
    assert any(version in jar.name for jar in (context / "lib").iterdir()), f"the jars are not those of {version}"
    shutil.copy(REPOSITORY / "stack" / "kafka" / "log4j2.properties", context / "bin")


def _mongo_parts(context: Path, _: str) -> None:
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "mongosh@2"], cwd=context)
    node = shutil.which("node")
    assert node, "node is not installed"
    shutil.copy(Path(node).resolve(), context / "node")


def _mailpit_program(context: Path, version: str) -> None:
    module = context / "module"
    module.mkdir()
    _run(["go", "mod", "init", "module"], cwd=module)
    _run(["go", "get", f"github.com/axllent/mailpit@{version}"], cwd=module)
    _run(["env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", context / "mailpit", "github.com/axllent/mailpit"],
         cwd=module)  # fmt: skip
    shutil.rmtree(module)


def _run(command: list[str | Path], cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    run = subprocess.run(["nice", *command], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{' '.join(map(str, command[:4]))}: {run.stdout[-1500:]}{run.stderr[-1500:]}")
