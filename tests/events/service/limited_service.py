"""stats-service with other limits than it has: so that tests need not wait as long as clients may."""

import argparse
from pathlib import Path

from importer.events.service.limits import ServiceLimits
from importer.events.service.service import run_service
from importer.events.settings.settings import configure_logging, read_settings


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--outbox-seconds", type=float, default=ServiceLimits().outbox_seconds)
    parser.add_argument("--request-seconds", type=float, default=ServiceLimits().request_seconds)
    parser.add_argument("--keep-alive-seconds", type=int, default=ServiceLimits().keep_alive_seconds)
    options = parser.parse_args()
    configure_logging(options.config)
    limits = ServiceLimits(
        outbox_seconds=options.outbox_seconds,
        request_seconds=options.request_seconds,
        keep_alive_seconds=options.keep_alive_seconds,
    )
    return run_service(read_settings(options.config), limits=limits)


if __name__ == "__main__":
    raise SystemExit(main())
