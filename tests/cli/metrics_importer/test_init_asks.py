"""metrics-importer init at a terminal: what it asks, how it takes answers, and that secrets are not shown."""

import json
from pathlib import Path

import pytest

from importer.simulators.apteligent import CLIENT_ID, PASSWORD, USERNAME
from importer.simulators.graphite import GraphiteReceiver
from tests.apteligent import Site
from tests.commands import Commands
from tests.terminals import Terminal, run_at_terminal

Dialogue = list[tuple[str, str]]
"""What to wait for on the terminal, and what to type then."""


def talk(commands: Commands, *arguments: str | Path, dialogue: Dialogue) -> tuple[int, Terminal]:
    def answer(terminal: Terminal) -> None:
        for shown, typed in dialogue:
            terminal.wait_for(shown)
            terminal.type(typed)

    return run_at_terminal(commands, "metrics-importer", "init", *arguments, meanwhile=answer)


PINGDOM: Dialogue = [
    ("API token (not shown): ", "open sesame\n"),
    ("host of the API [api.pingdom.com]: ", "\n"),
    ("first element of all names [pingdom]: ", "uptime\n"),
]


def test_answers_become_files_and_secrets_are_not_shown(commands: Commands) -> None:
    dialogue = [
        *PINGDOM,
        ("[sqlite]: ", "plain\n"),
        ("\nhost: ", "127.0.0.1\n"),
        ("\nport: ", "2003\n"),
        ("or Enter to go on: ", "max_buffer=100\n"),
        ("or Enter to go on: ", "\n"),
    ]
    code, terminal = talk(commands, "pingdom", dialogue=dialogue)
    assert code == 0, terminal.text
    assert "open sesame" not in terminal.text
    assert json.loads((commands.config_dir / "pingdom.json").read_text()) == {
        "token_file": "pingdom-token",
        "hostname": "api.pingdom.com",
        "metric_root": "uptime",
    }
    assert (commands.config_dir / "pingdom-token").read_text() == "open sesame\n"
    assert json.loads((commands.config_dir / "graphite.json").read_text()) == {
        "protocol": "plain",
        "host": "127.0.0.1",
        "port": 2003,
        "max_buffer": 100,
    }


def test_an_answer_that_is_wrong_is_told_and_asked_again(commands: Commands) -> None:
    dialogue = [
        *PINGDOM,
        ("[sqlite]: ", "pigeon\n"),
        ("store: 'pigeon' is not one of plain", ""),
        ("[sqlite]: ", "plain\n"),
        ("\nhost: ", "127.0.0.1\n"),
        ("\nport: ", "2003x\n"),
        ("'2003x' is not a number", ""),
        ("\nport: ", "70000\n"),
        ("port: 70000 is not a whole number from 1 to 65535", ""),
        ("port, or another key=value [none]: ", "2003\n"),
        ("or Enter to go on: ", "hots=a\n"),
        ("hots: is not a key of this store", ""),
        ("or Enter to go on: ", "max_buffer=many\n"),
        ("max_buffer: 'many' is not a number", ""),
        ("or Enter to go on: ", "\n"),
    ]
    code, terminal = talk(commands, "pingdom", dialogue=dialogue)
    assert code == 0, terminal.text
    assert json.loads((commands.config_dir / "graphite.json").read_text())["port"] == 2003


def test_what_is_not_utf_8_is_told_and_asked_again(commands: Commands) -> None:
    dialogue = [
        ("API token (not shown): ", "sesam\udce9\n"),
        ("that is not UTF-8; type it again", ""),
        *PINGDOM[:2],
        ("first element of all names [pingdom]: ", "\udcfcptime\n"),
        ("that is not UTF-8; type it again", ""),
        *PINGDOM[2:],
        ("[sqlite]: ", "dummy\n"),
        ("or Enter to go on: ", "\n"),
    ]
    code, terminal = talk(commands, "pingdom", dialogue=dialogue)
    assert code == 0, terminal.text
    assert json.loads((commands.config_dir / "pingdom.json").read_text())["metric_root"] == "uptime"
    assert (commands.config_dir / "pingdom-token").read_text() == "open sesame\n"


def test_keys_that_go_together_are_asked_for_together(commands: Commands) -> None:
    dialogue = [
        *PINGDOM,
        ("[sqlite]: ", "influxdb\n"),
        ("\nurl: ", "http://127.0.0.1:8086\n"),
        ("give either database (InfluxDB 1.x) or bucket", ""),
        ("database, or another key=value [none]: ", "bucket=shop\n"),
        ("or Enter to go on: ", "token\n"),
        ("token [none] (not shown): ", "two words\n"),
        ("token: is empty, or holds blanks", ""),
        ("or Enter to go on: ", "token\n"),
        ("token [none] (not shown): ", "open-sesame\n"),
        ("or Enter to go on: ", "\n"),
    ]
    code, terminal = talk(commands, "pingdom", dialogue=dialogue)
    assert code == 0, terminal.text
    assert "open-sesame" not in terminal.text
    assert (commands.config_dir / "pingdom-store-token").read_text() == "open-sesame\n"
    assert json.loads((commands.config_dir / "graphite.json").read_text()) == {
        "protocol": "influxdb",
        "url": "http://127.0.0.1:8086",
        "bucket": "shop",
        "token_file": "pingdom-store-token",
    }


def test_one_of_several_ways_can_be_chosen(commands: Commands) -> None:
    dialogue = [
        *PINGDOM,
        ("[sqlite]: ", "prometheus\n"),
        ("needs exactly one of port, pushgateway, textfile", ""),
        ("key=value: ", "port=9117\n"),
        ("or Enter to go on: ", "\n"),
    ]
    code, terminal = talk(commands, "pingdom", dialogue=dialogue)
    assert code == 0, terminal.text
    assert json.loads((commands.config_dir / "graphite.json").read_text()) == {"protocol": "prometheus", "port": 9117}


@pytest.mark.parametrize(("typed", "protocol"), [("\n", "dummy"), ("sqlite\n", "sqlite")])
def test_forced_it_asks_for_the_store_anew_and_can_keep_the_one_that_is_there(
    commands: Commands, typed: str, protocol: str
) -> None:
    (commands.config_dir / "graphite.json").write_text('{"protocol": "dummy"}')
    dialogue = [*PINGDOM, ("store, or Enter to keep graphite.json", ""), ("[none]: ", typed)]
    dialogue += [("or Enter to go on: ", "\n")] if protocol == "sqlite" else []
    code, terminal = talk(commands, "pingdom", "--force", dialogue=dialogue)
    assert code == 0, terminal.text
    assert json.loads((commands.config_dir / "graphite.json").read_text()) == {"protocol": protocol}


@pytest.mark.parametrize("key", ["\x03", "\x04"])
@pytest.mark.parametrize("answered", [0, 1, 3])
def test_who_breaks_off_leaves_nothing_behind(commands: Commands, key: str, answered: int) -> None:
    prompts = [*PINGDOM, ("[sqlite]: ", "")]

    def break_off(terminal: Terminal) -> None:
        for shown, typed in prompts[:answered]:
            terminal.wait_for(shown)
            terminal.type(typed)
        terminal.wait_for(prompts[answered][0])
        terminal.type_until(key, "interrupted")

    code, terminal = run_at_terminal(commands, "metrics-importer", "init", "pingdom", meanwhile=break_off)
    assert code == 1
    assert terminal.screen[-2:] == ["metrics-importer: interrupted; nothing was written", ""]
    assert list(commands.config_dir.iterdir()) == []


def test_a_file_that_is_there_is_told_before_anything_is_asked(commands: Commands) -> None:
    (commands.config_dir / "pingdom.json").write_text("{}")
    code, terminal = talk(commands, "pingdom", dialogue=[])
    assert code == 2
    assert "pingdom.json exists; --force replaces it" in terminal.text
    assert "API token" not in terminal.text


def test_online_asks_vendor_and_store_and_the_commands_run_with_what_was_written(site: Site, tmp_path: Path) -> None:
    for path in site.commands.config_dir.iterdir():
        path.unlink()
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "id").write_text(CLIENT_ID)
    vendor = ["--set", f"hostname={site.vendor.url}", "--set", f"username={USERNAME}"]
    vendor += ["--secret-file", f"password={tmp_path / 'password'}", "--secret-file", f"clientID={tmp_path / 'id'}"]
    store = ["--store", "plain", "--set", "host=127.0.0.1", "--set", f"port={site.carbon.port}"]
    result = site.run("metrics-importer", "init", "apteligent", *vendor, *store, "--online")
    assert (result.code, result.stderr) == (0, "")
    assert f"ok plain://127.0.0.1:{site.carbon.port} answers" in result.stdout
    assert site.run("livestats", "--once").code == 0
    assert len(site.carbon.points) > 0


def test_online_tells_what_does_not_answer_and_keeps_what_was_written(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("open sesame")
    with GraphiteReceiver() as carbon:
        carbon.stop()
        store = ["--store", "plain", "--set", "host=127.0.0.1", "--set", f"port={carbon.port}"]
        vendor = ["--set", "hostname=http://127.0.0.1:1", "--secret-file", f"token={tmp_path / 'token'}"]
        result = commands.run("metrics-importer", "init", "pingdom", *vendor, *store, "--online")
    assert result.code == 1
    assert f"plain://127.0.0.1:{carbon.port}: connection refused" in result.stderr
    assert (commands.config_dir / "pingdom.json").exists()
