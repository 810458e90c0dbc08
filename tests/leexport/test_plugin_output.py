"""What users' services print, line by line, and what our own main thread does."""

import logging
import subprocess
import sys
import threading

import pytest

from importer.leexport.plugin_output import MAX_LINE_CHARS, captured, output_to_log


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_what_we_print_ourselves_goes_where_it_always_went(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with output_to_log():
        print("ours")
        with captured("[[a]] mine"):
            print("of a service")
        print("ours again", file=sys.stderr)
    print("afterwards")
    assert capsys.readouterr() == ("ours\nafterwards\n", "ours again\n")
    assert caplog.messages == ["printed by [[a]] mine: of a service"]


def test_standard_error_is_a_warning_and_blank_lines_are_none(caplog: pytest.LogCaptureFixture) -> None:
    with output_to_log(), captured("mine"):
        print("\n  \nindented\n", file=sys.stderr)
        print("  kept")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "printed by mine: indented"),
        ("INFO", "printed by mine:   kept"),
    ]


def test_a_line_without_end_is_cut_and_not_hoarded(caplog: pytest.LogCaptureFixture) -> None:
    with output_to_log(), captured("mine"):
        for _ in range(3):
            sys.stdout.write("x" * MAX_LINE_CHARS)
        assert len(caplog.messages) == 2
    assert "".join(message.removeprefix("printed by mine: ") for message in caplog.messages) == "x" * 3 * MAX_LINE_CHARS


def test_threads_do_not_mix_their_lines(caplog: pytest.LogCaptureFixture) -> None:
    turns = threading.Barrier(2)

    def write(name: str) -> None:
        with captured(name):
            for part in ("one ", "two ", "three"):
                turns.wait(10)
                sys.stdout.write(f"{name}-{part}")

    with output_to_log():
        threads = [threading.Thread(target=write, args=[name]) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(caplog.messages) == ["printed by a: a-one a-two a-three", "printed by b: b-one b-two b-three"]


def test_a_stream_serves_for_programs_and_for_bytes() -> None:
    code = (
        "import subprocess, sys, logging\n"
        "from importer.leexport.plugin_output import captured, output_to_log\n"
        "with output_to_log(), captured('mine'):\n"
        "    assert not sys.stdout.isatty() and sys.stdout.encoding == 'utf-8'\n"
        "    subprocess.run(['echo', 'from a program'], stdout=sys.stdout, check=True)\n"
        "    sys.stdout.buffer.write(b'never seen: nobody has set up a log\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "from a program\n", "")
