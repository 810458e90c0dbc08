"""Apps that are left out, directories, and files of secrets."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from importer.simulators.apteligent import PASSWORD
from tests.apteligent import BIKE, COMMANDS, DUTCH, GOLDEN, INDIA, Site, account_keys, asked_for, vendors_requests


def test_nothing_is_asked_about_an_app_of_the_blacklist(site: Site) -> None:
    site.write("app.blacklist", f"# Bike Shop\n  {BIKE.app_id}  \n")
    for command in COMMANDS:
        assert site.run(command, "--once").code == 0
        assert f" ALLOWED: {DUTCH.app_id}\n" in site.log(command)
    blacklist = site.commands.config_dir / "app.blacklist"
    assert f" REJECT: {BIKE.app_id} in blacklist: {blacklist}\n" in site.log("dailyjobs")
    assert list(filter(asked_for(BIKE.app_id), site.vendor.requests)) == []
    assert site.points_of("Bike_Shop") == []
    cached = json.loads((Path(site.commands.environment["CACHE_DIR"]) / "apps.json").read_text())
    assert sorted(cached) == [DUTCH.app_id, INDIA.app_id]


def test_only_what_is_in_the_blacklist_file_counts_as_soon_as_it_changes(site: Site) -> None:
    site.write("app.blacklist", BIKE.app_id)
    assert site.run("livestats", "--once").code == 0
    later = time.time() + 2
    path = site.write("app.blacklist", DUTCH.app_id)
    os.utime(path, (later, later))
    assert site.run("livestats", "--once").code == 0
    assert len(site.vendor.requests_to("/v1.0/apps")) == 2
    assert len(site.points_of("Bike_Shop")) == 90


def test_the_seventh_field_of_a_reject_line_is_the_host(site: Site) -> None:
    site.write("services.whitelist", BIKE.hosts[0])
    assert site.run("servicestats", "--once").code == 0
    script = "/REJECT/ {print $7}"
    log = site.commands.log_dir / "servicestats.log"
    done = subprocess.run(["awk", script, log], capture_output=True, text=True, check=True)
    rejected = {*BIKE.hosts[1:], *DUTCH.hosts, *INDIA.hosts}
    assert set(done.stdout.split()) == rejected
    assert (
        f"REJECT: {BIKE.hosts[1]} not in whitelist: {site.commands.config_dir / 'services.whitelist'}"
        in log.read_text()
    )


def test_countries_without_groups_are_warned_of_and_skipped(site: Site) -> None:
    site.write("app_timezones.json", {BIKE.app_id: ["Bike Shop", -8, "XX"], "0000": ["Gone", 0, "NL"]})
    result = site.run("groupedby", "--once")
    assert (result.code, result.stderr) == (0, "")
    assert [point.name for point in site.carbon.points if ".carrier." in point.name] == []
    text = "\n".join(site.warnings("groupedby"))
    assert "country=XX" in text
    assert f"id={DUTCH.app_id}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_needs_only_the_files_that_it_reads(command: str, site: Site) -> None:
    reads = {
        "dailyjobs": {"app_timezones.json"},
        "groupedby": {"app_timezones.json", "carrier.map"},
        "livestats": set(),
        "servicestats": {"services.whitelist"},
    }[command]
    for name in {"app_timezones.json", "carrier.map", "services.whitelist"} - reads:
        (site.commands.config_dir / name).unlink()
    assert site.run(command, "--once").code == 0


def test_a_project_of_another_name_has_its_own_directories(site: Site) -> None:
    home = site.commands.home
    site.commands.config_dir.rename(home / ".acme")
    result = site.run("livestats", "--once", "-p", "acme", env={"CONFIG_DIR": None, "LOG_DIR": None, "STATE_DIR": None})
    assert result.code == 0
    assert (home / "log" / "livestats.log").exists()
    assert (home / "cache" / "livestats.outbox").exists()


def test_a_directory_that_does_not_exist_is_passed_over_with_a_warning(site: Site) -> None:
    result = site.run("livestats", "--once", env={"CACHE_DIR": "/nonexistent/cache"})
    assert result.code == 0
    assert result.stderr.splitlines() == [
        "livestats: warning: passed over CACHE_DIR=/nonexistent/cache: no such directory"
    ]
    assert len(site.carbon.points) == 270


def test_secrets_may_lie_in_files_of_their_own(site: Site) -> None:
    keys = account_keys(site.vendor.url)
    site.write(
        "apteligent.json", {**keys, "password": "", "password_file": "secret", "clientID": None, "clientID_file": "id"}
    )
    site.write("secret", f"{PASSWORD}\n")
    site.write("id", str(keys["clientID"]))
    assert site.run("livestats", "--once").code == 0
    assert PASSWORD not in site.log("livestats")


def test_old_caches_are_used_as_they_are(site: Site) -> None:
    cache = Path(site.commands.environment["CACHE_DIR"])
    (cache / "apps.json").write_bytes((GOLDEN / "apps-cache.json").read_bytes())
    token = {**json.loads((GOLDEN / "token-cache.json").read_text()), "expiration": time.time() + 3600.25}
    token["access_token"] = site.vendor.issue_token()
    (cache / "token.json").write_text(json.dumps(token, indent=4))
    assert site.run("livestats", "--once").code == 0
    assert vendors_requests(site) == [f"/v1.0/liveStats/periodic/{BIKE.app_id}"]
