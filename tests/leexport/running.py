"""leexportpy as a service in the foreground."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.leexport.site import Site
from tests.running import Running

LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - (INFO|WARNING|ERROR) - [\w.]+ - [\w-]+ - \S.*")
_PLUGIN = """
import requests

class {name}Service:
    def __init__(self, response, api_key, destination_config):
        self.push_url = destination_config["push_url"]

    def process(self):
        {body}
"""


@contextmanager
def started(site: Site, *, env: Mapping[str, str | None] | None = None) -> Iterator[Running]:
    """Give a service with the configuration as it is on disk; whatever the block does, it ends with it."""
    with site.commands.start("leexportpy", "start", "-c", site.config, env=env) as process:
        running = Running(process)
        try:
            yield running
        except Exception as error:
            error.add_note(running.last_words())
            raise
        finally:
            running.kill()


@contextmanager
def serving(site: Site, *, env: Mapping[str, str | None] | None = None) -> Iterator[Running]:
    """Write the configuration, and give a service that goes by it."""
    site.write()
    with started(site, env=env) as running:
        yield running


def plug_in(site: Site, name: str, body: str, *, period: int = 1) -> None:
    """Add a search for a service of the user's; the line that its `process` consists of may use `self.push_url`."""
    folder = site.config.with_name("services")
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_service.py").write_text(_PLUGIN.format(name=name.capitalize(), body=body))
    site.search(name, {"service": name, "push_url": site.geckoboard.push_url(name)}, period=period)
    site.commands.environment["LEEXPORTPY_SERVICES"] = str(folder)
