"""A checkout of a test's release."""

import shutil
from pathlib import Path

from tests.migrations.conftest import Release
from tests.support.processes import ROOT


def checkout_of(release: Release) -> Path:
    """Return the release's folder, with the code that a command line needs beside the revisions."""
    target = release.root
    shutil.copytree(ROOT / "app", target / "app", ignore=shutil.ignore_patterns("*.pyc.*"))
    return target
