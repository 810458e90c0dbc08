"""A crontab gets the lines of a jobs file, and never loses those of anybody else."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.collector.crontab import WHITE_SPACE, generate_crontab, remove_existing_crontab_for_app, renewed_crontab
from importer.collector.jobs_file import ParseError, parse_job_line, skip_job
from importer.errors import ConfigError
from tests.commands import ROOT, isolated_environment

JOB = "0 1 * * *,tax-disc,credentials/ga.json,tokens/ga.json,pp.json"
FILES = "-c /app/config/credentials/ga.json -t /app/config/tokens/ga.json -b /app/config/pp.json"
LINE = f"/app/venv/bin/pp-collector -l tax-disc {FILES} >> /app/log/out.log 2>> /app/log/error.log"
BEGIN = "# Begin performanceplatform.collector jobs for me"
END = "# End performanceplatform.collector jobs for me"


REAL_HOST = socket.gethostname()


@pytest.fixture(autouse=True)
def _no_numbered_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "collector")
    monkeypatch.delenv("DISABLE_COLLECTORS", raising=False)


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    path = tmp_path / "cronjobs"
    path.write_text(f"{JOB}\n")
    return path


def block_of_this_host(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a process of its own, to which the host has its real name, puts at the end."""
    monkeypatch.setattr("socket.gethostname", lambda: REAL_HOST)
    return "".join(f"{line}\n" for line in generate_crontab([], str(jobs), "/app", "me"))


def run_tool(folder: Path, crontab: bytes, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, ROOT / "bin" / "pp-collector-crontab", *arguments],
        input=crontab,
        capture_output=True,
        check=False,
        env=isolated_environment(folder),
    )


def test_jobs_go_to_the_end_between_two_comments(jobs: Path) -> None:
    crontab = generate_crontab(["  0 0 * * * other \n"], str(jobs), "/app", "me")
    assert crontab == ["0 0 * * * other", BEGIN, f"0 1 * * * {LINE}", END]


def test_comments_and_blank_lines_are_no_jobs_and_without_jobs_there_is_no_block(jobs: Path) -> None:
    jobs.write_text("# nightly\n\n   \n  # none\n")
    assert generate_crontab(["a", BEGIN, "b", END], str(jobs), "/app", "me") == ["a"]


def test_a_former_block_gives_way_and_those_of_other_applications_stay(jobs: Path) -> None:
    others = [BEGIN.replace("me", "you"), "theirs", END.replace("me", "you")]
    crontab = generate_crontab([BEGIN, "old", END, *others], str(jobs), "/app", "me")
    assert crontab == [*others, BEGIN, f"0 1 * * * {LINE}", END]


def test_a_schedule_may_hold_commas() -> None:
    job = parse_job_line("15,45 * * 1,3 *,slug,c,t,b")
    assert job == ("15,45 * * 1,3 *", "slug", "c", "t", "b")


def test_blanks_and_percent_signs_reach_the_command_as_they_are(jobs: Path) -> None:
    jobs.write_text("@daily,tax disc,100%.json,t,b\n")
    (line,) = generate_crontab([], str(jobs), "/app", "me")[1:-1]
    assert line.startswith(r"@daily /app/venv/bin/pp-collector -l 'tax disc' -c /app/config/100\%.json -t ")


def test_disabled_collectors_are_started_disabled(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISABLE_COLLECTORS", "true")
    assert generate_crontab([], str(jobs), "/app", "me")[1] == f"0 1 * * * DISABLE_COLLECTORS=true {LINE}"
    monkeypatch.setenv("DISABLE_COLLECTORS", "TRUE")
    assert generate_crontab([], str(jobs), "/app", "me")[1] == f"0 1 * * * {LINE}"


@pytest.mark.parametrize(
    ("host", "numbers"),
    [
        ("collector-1", [2, 4]),
        ("collector-2", [1, 3]),
        ("collector-03", [2, 4]),
        ("collector", [1, 2, 3, 4]),
        ("1", [1, 2, 3, 4]),
        ("collector-1.example", [1, 2, 3, 4]),
    ],
)
def test_two_numbered_hosts_share_the_jobs(
    host: str, numbers: list[int], jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert [number for number in range(1, 5) if not skip_job(number)] == numbers
    jobs.write_text("".join(f"# job\n0 1 * * *,job{number},c,t,b\n" for number in range(1, 5)))
    lines = generate_crontab([], str(jobs), "/app", "me")[1:-1]
    assert [line.split(" -l ")[1].split()[0] for line in lines] == [f"job{number}" for number in numbers]


def test_every_line_that_is_no_job_is_told(jobs: Path) -> None:
    jobs.write_text(f"{JOB}\nafeg ;efhv\n0 1 * * *,,c,t,b\n0 1 * * *,a\0b,c,t,b\n")
    with pytest.raises(ParseError) as caught:
        generate_crontab([], str(jobs), "/app", "me")
    form = "schedule,slug,credentials,token,performanceplatform is expected"
    assert list(caught.value.lines) == [
        f'{jobs}:2: "afeg ;efhv" is not a job; {form}',
        f"{jobs}:3: names no slug; {form}",
        f"{jobs}:4: holds a control character; {form}",
    ]


def test_a_jobs_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: does not exist"):
        generate_crontab([], str(tmp_path / "nowhere"), "/app", "me")


@pytest.mark.parametrize("argument", ["", " ", "a\nb", "a\rb"])
def test_an_id_or_application_that_is_not_one_line_is_refused(argument: str, jobs: Path) -> None:
    with pytest.raises(ParseError, match="APP_UNIQUE_ID"):
        generate_crontab([], str(jobs), "/app", argument)
    with pytest.raises(ParseError, match="PATH_TO_APP"):
        generate_crontab([], str(jobs), argument, "me")


def test_a_block_that_is_not_ended_swallows_no_line(jobs: Path) -> None:
    with pytest.raises(ParseError, match="crontab:2: the block that begins here is not ended"):
        generate_crontab(["a", BEGIN, "b"], str(jobs), "/app", "me")


def test_old_callers_see_a_block_without_an_end_go_to_the_last_line() -> None:
    assert remove_existing_crontab_for_app([END, "a", BEGIN, "b"], "me") == [END, "a"]


crontabs = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([BEGIN, END, "a", " b\t", "", "#", "\xa0c"]), max_size=8).map(
        lambda lines: "\n".join(lines).encode()
    ),
)


@pytest.fixture(scope="module")
def some_jobs(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("jobs") / "cronjobs"
    path.write_text(f"{JOB}\n@daily,b%,c,t,b\n")
    return str(path)


def lines_of_others(crontab: bytes) -> list[bytes]:
    lines = [line.strip(WHITE_SPACE.encode()) for line in crontab.removesuffix(b"\n").split(b"\n")]
    kept, is_outside = [], True
    for line in lines if crontab else []:
        is_outside = is_outside and line != BEGIN.encode()
        kept += [line] if is_outside else []
        is_outside = is_outside or line == END.encode()
    return kept


@given(crontab=crontabs, unique_id=st.sampled_from(["me", " me ", "me\xa0"]))
def test_twice_is_once_and_other_lines_stay_whatever_bytes_they_hold(
    some_jobs: str, crontab: bytes, unique_id: str
) -> None:
    try:
        once = renewed_crontab(crontab, some_jobs, "/app", unique_id)
    except ParseError as error:
        assert "is not ended" in str(error)
        assert BEGIN.encode() in crontab
        return
    assert renewed_crontab(once, some_jobs, "/app", unique_id) == once
    assert once.endswith(b"\n")
    if unique_id == "me":
        assert lines_of_others(once) == lines_of_others(crontab)


def test_the_command_gives_a_crontab_of_any_bytes(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.write_text(f"{JOB}\n{JOB}\n")
    done = run_tool(tmp_path, b"MAILTO=\xff\n 0 0 * * * a  b", "/app", jobs, "me")
    block = block_of_this_host(jobs, monkeypatch).encode()
    assert f"0 1 * * * {LINE}\n".encode() in block
    assert (done.returncode, done.stdout, done.stderr) == (0, b"MAILTO=\xff\n0 0 * * * a  b\n" + block, b"")


ODD = b"  \xff a\r\n\nb\0 c  "


def test_after_an_error_the_crontab_is_what_it_was(tmp_path: Path) -> None:
    done = run_tool(tmp_path, ODD, "/app", tmp_path / "nowhere", "me")
    assert (done.returncode, done.stdout) == (1, ODD)
    assert done.stderr.decode() == f"pp-collector-crontab: {tmp_path / 'nowhere'}: does not exist\n"


def test_every_mistake_of_a_jobs_file_has_its_line(jobs: Path, tmp_path: Path) -> None:
    jobs.write_text("one\ntwo\n")
    done = run_tool(tmp_path, ODD, "/app", jobs, "me")
    assert (done.returncode, done.stdout) == (1, ODD)
    assert [line.split(": ")[1] for line in done.stderr.decode().splitlines()] == [f"{jobs}:1", f"{jobs}:2"]


@pytest.mark.parametrize("arguments", [[], ["/app"], ["/app", "jobs", "me", "more"], ["--wrong"]])
def test_after_wrong_arguments_the_crontab_is_what_it_was(arguments: list[str], tmp_path: Path) -> None:
    done = run_tool(tmp_path, ODD, *arguments)
    assert (done.returncode, done.stdout) == (2, ODD)
    assert done.stderr.startswith(b"usage: pp-collector-crontab ")


def test_after_wrong_arguments_nobody_is_waited_for_at_a_terminal(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    done = subprocess.run(
        [sys.executable, ROOT / "bin" / "pp-collector-crontab"],
        stdin=theirs,
        capture_output=True,
        check=False,
        env=isolated_environment(tmp_path),
        timeout=60,
    )
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_fault_of_its_own_gives_the_crontab_back_too(
    jobs: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    from importer.cli.pp_collector import crontab as pp_crontab

    def fault(*_arguments: object) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr("importer.collector.crontab.renewed_crontab", fault)
    given_crontab = tmp_path / "crontab"
    given_crontab.write_bytes(ODD)
    with given_crontab.open(encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        code = pp_crontab.main(["/app", str(jobs), "me"])
    assert (code, capfdbinary.readouterr().out) == (1, ODD)


def test_the_module_is_the_command(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs.write_text(f"{JOB}\n{JOB}\n")
    done = subprocess.run(
        [sys.executable, "-m", "performanceplatform.collector.crontab", "/app", jobs, "me"],
        input=b"a\n",
        capture_output=True,
        check=False,
        env={**isolated_environment(tmp_path), "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "compat")))},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == "a\n" + block_of_this_host(jobs, monkeypatch)


def test_the_old_import_path_has_the_functions(
    run_python: Callable[[str], str],
) -> None:
    names = "generate_crontab, remove_existing_crontab_for_app, parse_job_line, skip_job, ParseError"
    code = f"from performanceplatform.collector.crontab import {names}; print(parse_job_line('a,b,c,d,e'))"
    assert run_python(code) == "('a', 'b', 'c', 'd', 'e')\n"


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[[str], str]:
    """`run_python(code)` gives what a program prints that finds the old import paths."""

    def run(code: str) -> str:
        path = os.pathsep.join(map(str, (ROOT, ROOT / "compat")))
        environment = {**isolated_environment(tmp_path), "PYTHONPATH": path}
        return subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, text=True, env=environment
        ).stdout

    return run
