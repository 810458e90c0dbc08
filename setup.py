"""Packaging of metrics-importer: what it is, what it needs, which commands it installs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.findall(r'^__version__ = "(.+)"$', (HERE / "importer/__init__.py").read_text(), re.M)

KAFKA_REQUIREMENTS = ["confluent-kafka>=2.6"]
GOOGLE_REQUIREMENTS = ["google-auth>=2.30"]

TEST_REQUIREMENTS = [
    *KAFKA_REQUIREMENTS,
    *GOOGLE_REQUIREMENTS,
    "codespell",
    "coverage[toml]",
    "hypothesis",
    "mypy",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "schemathesis",
    "types-python-dateutil",
    "types-requests",
]

BENCH_REQUIREMENTS = ["flask", "gunicorn"]
"""What stats-service is measured beside."""

setup(
    name="metrics-importer",
    version=VERSION[0],
    description="Imports metrics from vendors' APIs into the stores that a team runs",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["importer", "importer.*"]) + find_packages("compat"),
    package_dir={name: f"compat/{name}" for name in find_packages("compat") if "." not in name},
    package_data={
        "importer": ["py.typed"],
        "importer.collector": ["departments.json"],
        "importer.dashboard": ["static/*", "static/vendor/*"],
        "importer.events.service": ["static/*"],
    },
    install_requires=[
        "bcrypt>=4",
        "configobj>=5.0.9",
        "graphitesend>=0.10.0",
        "httptools>=0.6.3",
        "orjson>=3.10",
        "plotext>=6.1,<7",
        "prometheus-client>=0.16",
        "python-daemon>=3.0",
        "python-dateutil>=2.9",
        "python-jsonpath>=2",
        "requests>=2.31",
        "urllib3>=2",
        "uvloop>=0.20",
    ],
    extras_require={
        "kafka": KAFKA_REQUIREMENTS,
        "google": GOOGLE_REQUIREMENTS,
        "test": TEST_REQUIREMENTS,
        "bench": BENCH_REQUIREMENTS,
    },
    entry_points={
        "console_scripts": [
            f"{script} = importer.cli.apteligent.main:{command}"
            for command in ("dailyjobs", "livestats", "groupedby", "servicestats")
            for script in (command, f"{command}.py")
        ]
        + ["pingdom = importer.cli.apteligent.main:pingdom"]
        + [f"{script} = importer.cli.leexport.main:main" for script in ("leexportpy", "leexport")]
        + ["cton = importer.cli.cton.main:main"]
        + ["pp-collector = importer.cli.pp_collector.main:main", "recollect = importer.cli.pp_collector.recollect:main"]
        + [
            "pp-collector-crontab = importer.cli.pp_collector.crontab:main",
            "pp-collector-timers = importer.cli.pp_collector.timers:main",
        ]
        + [
            f"{script} = importer.cli.pp_collector.ga_credentials:main"
            for script in ("generate-ga-credentials", "generate-ga-credentials.py")
        ]
        + ["stats-service = importer.cli.stats_service.main:main"]
        + [
            f"{script} = importer.cli.stats_service.tokens:{script.replace('-', '_')}"
            for script in ("stats-token", "tokenhelper")
        ]
        + [
            "accesshelper = importer.cli.stats_service.access_helper:main",
            "stats-client = importer.cli.stats_service.client:main",
        ]
        + ["metrics-importer = importer.cli.metrics_importer.main:main"],
    },
)
