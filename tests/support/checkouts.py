"""What several tests need of checkouts."""

import shutil
from pathlib import Path

from tests.migrations.conftest import Release
from tests.support.processes import ROOT


def checkout_of(release: Release) -> Path:
    """What a command line needs beside the revisions."""
    target = release.root
    shutil.copytree(ROOT / "app", target / "app", ignore=shutil.ignore_patterns("*.pyc.*"))
    return target
