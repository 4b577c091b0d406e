"""A browser without a window, which reaches nothing but this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from tests.support.node import npm_package
from tests.support.processes import require

_CHROMIUM = Path("/usr/bin/chromium")
_CHROMEDRIVER = Path("/usr/bin/chromedriver")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--window-size=1200,2000",
)
_RUN_AXE = "axe.run(document).then(found => arguments[0](found.violations), error => arguments[0]([String(error)]))"


@contextmanager
def browser(profile: Path) -> Iterator[Chrome]:
    """Chromium, with its profile in this directory. It keeps what pages write to the console (`severe_entries`)."""
    require(_CHROMIUM.exists() and _CHROMEDRIVER.exists(), "Debian's chromium and chromium-driver")
    options = ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    with Chrome(options, ChromeService(str(_CHROMEDRIVER))) as driver:
        yield driver


def severe_entries(driver: Chrome) -> list[dict[str, Any]]:
    """What has gone wrong in pages since the last call."""
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def view_as(driver: Chrome, width: int, *, dark: bool = False) -> None:
    """Show pages from here on at this width, all of their height, in the light or the dark colours."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    still = {"name": "prefers-reduced-motion", "value": "reduce"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme, still]})
    metrics = {"width": width, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "height": 900})
    height = driver.execute_script("return document.documentElement.scrollHeight")
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**metrics, "height": height})


def accessibility_violations(driver: Chrome) -> list[str]:
    """What axe-core finds in the page: each rule, with the elements that break it."""
    driver.execute_script((npm_package("axe-core") / "axe.min.js").read_text())
    found = driver.execute_async_script(_RUN_AXE)
    return [f"{one['id']}: {[node['html'][:200] for node in one['nodes']]}" for one in found]
