"""The functions of Collectington's runner: they lead to the command."""

from importer.errors import ExitCode


def main() -> int:
    """Be the command cton; return its exit code."""
    from importer.cli.cton import (
        main as cton,  # on use: the command imports what it needs, and users' classes do not need it
    )

    return cton.main()


def parse_args() -> tuple[str | None, str]:
    """Return the service and the configuration that the process's command line names: of several services the last."""
    from importer.cli.cton.main import build_parser  # on use, as above

    options = build_parser().parse_args()
    return (options.service[-1] if options.service else None), str(options.config)


def run(service_name: str, config_path: str) -> int:
    """Show a service until the process is asked to stop; return an exit code."""
    from importer.cli.cton import main as cton  # on use, as above

    return ExitCode(cton.main(["-s", service_name, "-c", str(config_path)]))
