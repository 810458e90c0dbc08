"""Packaging of metrics-importer: what it is, what it needs, which commands it installs."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.findall(r'^__version__ = "(.+)"$', (HERE / "importer/__init__.py").read_text(), re.M)

TEST_REQUIREMENTS = [
    "codespell",
    "coverage[toml]",
    "hypothesis",
    "mypy",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "types-requests",
]

setup(
    name="metrics-importer",
    version=VERSION[0],
    description="Imports metrics from vendors' APIs into the stores that a team runs",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["importer", "importer.*"]),
    package_data={"importer": ["py.typed"]},
    install_requires=[
        "configobj>=5.0.9",
        "graphitesend>=0.10.0",
        "plotext>=6.1,<7",
        "requests>=2.31",
        "urllib3>=2",
    ],
    extras_require={"test": TEST_REQUIREMENTS},
    entry_points={
        "console_scripts": [
            f"{script} = importer.cli.apteligent:{command}"
            for command in ("dailyjobs", "livestats", "groupedby", "servicestats")
            for script in (command, f"{command}.py")
        ]
        + ["metrics-importer = importer.cli.metrics_importer:main"],
    },
)
