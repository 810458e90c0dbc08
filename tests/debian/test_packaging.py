"""The files of debian/ agree with what they package."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

import importer
from tests.commands import ROOT, Result
from tests.debian.container import why_no_container

DEBIAN = ROOT / "debian"
PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)
NOBODY = 65534
OLD_SCRIPTS = {f"{name}.py" for name in ("dailyjobs", "groupedby", "livestats", "servicestats")}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    return {canonical(name): version for name, version in PIN.findall(path.read_text())}


def needed(package: str, *extras: str) -> Iterator[str]:
    """Yield what a package needs to run on this Python, as the installed packages tell, and what that needs."""
    for requirement in distribution(package).requires or []:
        name, _, condition = requirement.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", condition)
        if (extra and extra[1] not in extras) or re.search(r"python_version|sys_platform|implementation", condition):
            continue
        required = canonical(re.split(r"[^\w.-]", name.strip())[0])
        yield required
        yield from needed(required)


def links() -> dict[str, str]:
    """Return what debian/*.links says: link -> target."""
    lines = (DEBIAN / "metrics-importer.links").read_text().splitlines()
    return {link: target for target, link in (line.split() for line in lines)}


def test_the_package_has_the_version_of_the_program() -> None:
    changelog = (DEBIAN / "changelog").read_text()
    assert changelog.startswith(f"metrics-importer ({importer.__version__}) ")


def test_the_package_installs_the_versions_that_the_tests_run_with() -> None:
    constraints = pins(ROOT / "constraints.txt")
    installed = pins(DEBIAN / "requirements.txt")
    assert installed == {name: constraints[name] for name in installed}


def test_the_package_installs_all_that_the_program_and_its_extras_need() -> None:
    assert set(needed("metrics-importer", "kafka", "google")) <= set(pins(DEBIAN / "requirements.txt"))


def test_every_requirement_has_hashes() -> None:
    blocks = re.split(r"\n(?=\w)", (DEBIAN / "requirements.txt").read_text().split("never by hand.\n")[1])
    assert blocks
    assert [block for block in blocks if not re.fullmatch(r"\S+( \\\n    --hash=sha256:[0-9a-f]{64})+\n?", block)] == []


def test_every_command_is_on_the_path_and_the_old_scripts_are_where_they_were() -> None:
    commands = {script.name for script in distribution("metrics-importer").entry_points.select(group="console_scripts")}
    places = {f"usr/bin/{name}" for name in commands} | {f"opt/apteligentimporter/bin/{name}" for name in OLD_SCRIPTS}
    programs = {link: target for link, target in links().items() if "/bin/" in link}
    assert programs == {place: f"opt/venvs/metrics-importer/bin/{Path(place).name}" for place in places}


def test_what_the_package_puts_into_etc_is_free_of_mistakes(run_command: Callable[..., Result]) -> None:
    patterns = [line.split()[0] for line in (DEBIAN / "metrics-importer.install").read_text().splitlines()]
    shipped = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert len(shipped) >= len(patterns)
    result = run_command("metrics-importer", "check", *map(str, shipped))
    assert (result.code, result.stderr) == (0, "")


def need(*pairs: str) -> subprocess.CompletedProcess[str]:
    """Run tools/need, not as root, who would install what is missing."""
    return subprocess.run(
        ["sh", "-s", "--", *pairs],
        input=(ROOT / "tools" / "need").read_text(),
        user=NOBODY if os.geteuid() == 0 else None,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_whoever_cannot_install_what_a_build_needs_is_told_what_is_missing() -> None:
    done = need("sh=dash", "no-such-program=its-package", "no-other-program=other-package")
    assert done.returncode == 1
    assert done.stderr == "missing here: run as root: apt-get install its-package other-package\n"


def test_where_all_is_there_that_a_build_needs_nothing_is_said() -> None:
    done = need("sh=dash", "env=coreutils")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_where_no_container_can_be_had_ci_fails_and_all_others_are_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "true")
    assert why_no_container() == ""
    monkeypatch.setenv("CI", "false")
    assert why_no_container().startswith(("only root", "not installed: debootstrap, systemd-nspawn, nsenter"))


@pytest.fixture(scope="module")
def completions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completions")
    subprocess.run([sys.executable, ROOT / "tools" / "write-completions", folder], check=True)
    return folder


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("dailyjobs", "--da"), {"--date"}),
        (("leexportpy", "st"), {"start", "stop"}),
        (("metrics-importer", "outbox", "r"), {"retry"}),
        (("metrics-importer", "--debug", "check", "--on"), {"--online"}),
        (("/usr/bin/stats-token", "cre"), {"create"}),
        (("livestats", "nothing"), set()),
    ],
)
def test_bash_completes_commands_and_options(completions: Path, words: tuple[str, ...], expected: set[str]) -> None:
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _metrics_importer; echo "${COMPREPLY[@]}"'
    command = ["bash", "-euc", script, "bash", completions / Path(words[0]).name, *words]
    assert set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()) == expected
