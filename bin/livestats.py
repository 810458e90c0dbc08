#!/usr/bin/env python3
"""Starts livestats from a clone or an unpacked tar; an installed one has its own script."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from importer.cli.apteligent.main import livestats

if __name__ == "__main__":
    raise SystemExit(livestats())
