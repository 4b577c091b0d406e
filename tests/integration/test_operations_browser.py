"""The operations page in a browser, which follows one installation through good and bad times without a reload."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.conftest import TOKEN, cloned, settings_for
from tests.support.browser import accessibility_violations, browser, severe_entries, view_as
from tests.support.database import holding, query
from tests.support.migrator import downgrade
from tests.support.processes import Server, environment, run, serving
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.own_database

OPERATIONS = "operati0ns-" * 6
TABLE = "board_webhook_payloads"
# Width, and whether it is dark.
LOOKS = ((1400, False), (360, True))
# The elements that reach beyond the right edge, and that nothing scrolls.
TOO_WIDE = """return document.documentElement.scrollWidth <= innerWidth ? [] : [...document.body.querySelectorAll("*")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth && !one.parentElement.closest(".scroller, pre"))
    .map((one) => one.outerHTML.slice(0, 200))"""
# Pictures whose newest part is not seen without scrolling, and the table of partitions if it is cut off.
HIDDEN = """return [...document.querySelectorAll(".latest > svg, #partitions table")]
    .filter((one) => one.getBoundingClientRect().right > one.parentElement.getBoundingClientRect().right + 1)
    .map((one) => one.outerHTML.slice(0, 200))"""
UPGRADE = ("litestar", "database", "upgrade", "--no-prompt")


class Operations:
    """The page, which is opened once; screenshots of it are in the test's directory."""

    def __init__(self, driver: Chrome, server: Server, database_url: str, screenshots: Path) -> None:
        self.driver = driver
        self.server = server
        self.database_url = database_url
        self._screenshots = screenshots
        self._wait = WebDriverWait(driver, PATIENCE)

    def open(self) -> None:
        self.driver.get(self.server.url.replace("://", f"://ops:{OPERATIONS}@") + "/operations")
        self.await_words("live", "#live.on")

    def words(self, selector: str) -> str:
        # At once: a part may be replaced meanwhile.
        return str(
            self.driver.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
        )

    def await_words(self, words: str, selector: str) -> None:
        self._wait.until(lambda _: words in self.words(selector), f"{words!r} in {selector}")

    def require_good_looks(self, state: str) -> None:
        """Look at the page wide and narrow, light and dark: nothing is cut off, and axe-core finds nothing."""
        for width, dark in LOOKS:
            view_as(self.driver, width, dark=dark)
            self.driver.save_screenshot(str(self._screenshots / f"{state}-{width}.png"))
            assert self.driver.execute_script(TOO_WIDE) == [], (state, width)
            assert self.driver.execute_script(HIDDEN) == [], (state, width)
            assert accessibility_violations(self.driver) == [], (state, width)


@pytest.fixture(scope="module")
def operations(
    server_url: str, migrated_template: str, administer: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operations]:
    directory = tmp_path_factory.mktemp("operations")
    with (
        cloned(server_url, administer, migrated_template) as url,
        serving(environment(DATABASE_URL=url, OPERATIONS_TOKEN=OPERATIONS), directory / "log") as server,
        browser(directory / "profile") as driver,
    ):
        server.wait_until_ready()
        opened = Operations(driver, server, url, directory)
        opened.open()
        yield opened


def test_healthy_installation(operations: Operations) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=operations.server.url, headers=headers) as client:
        for _ in range(20):
            assert client.get("/api/v1/users/me").status_code == 200
    operations.await_words("Up to date", "h1")
    operations.await_words("20 requests, 0 answered with 5xx", "#requests")
    operations.await_words("checks are fine", "#doctor")
    operations.driver.find_element(By.CSS_SELECTOR, "#fine summary").click()
    operations.require_good_looks("healthy")
    mark = operations.driver.find_element(By.CSS_SELECTOR, ".timeline a")
    row = str(mark.get_dom_attribute("href")).removeprefix("#")
    operations.driver.execute_script("arguments[0].focus()", mark)
    operations.driver.switch_to.active_element.send_keys("\n")
    operations.await_words("contract", f"#steps[open] tr[id='{row}']:target")
    assert severe_entries(operations.driver) == []


def test_migration_that_fails_and_then_waits_for_a_table_is_followed_live(operations: Operations) -> None:
    url = operations.database_url
    downgrade(settings_for(url), "-1")
    operations.await_words("Pending", "h1")
    operations.await_words("ACCESS EXCLUSIVE", "#pending")
    operations.require_good_looks("pending")
    with holding(url, f"SELECT FROM {TABLE}") as waiting:
        at_once = environment(DATABASE_URL=url, DB_MIGRATE_LOCK_RETRIES="0", DB_MIGRATE_LOCK_TIMEOUT="0.1")
        assert run(*UPGRADE, env=at_once).returncode == 3
        operations.await_words("Failed", "h1")
        operations.await_words("lock timeout", "#migration .error")
        operations.require_good_looks("failed")
        patient = environment(DATABASE_URL=url, DB_MIGRATE_LOCK_RETRIES="0", DB_MIGRATE_LOCK_TIMEOUT="60")
        migrating = threading.Thread(target=run, args=UPGRADE, kwargs={"env": patient})
        migrating.start()
        waiting(1)
        operations.await_words("waits for a table", "#verdict")
        operations.await_words(f"AccessExclusiveLock on {TABLE}", "#migration .callout")
        operations.require_good_looks("migrating")
    migrating.join()
    operations.await_words("Up to date", "h1")
    operations.await_words("Nobody changes the schema", "#migration")
    assert severe_entries(operations.driver) == []


def test_database_that_goes_away_and_comes_back(operations: Operations, administer: Callable[[str], None]) -> None:
    ((name,),) = query(operations.database_url, "SELECT current_database()")
    administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        operations.await_words("No answer", "h1")
        operations.await_words("What follows is of", "#revisions")
        operations.require_good_looks("away")
    finally:
        administer(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    operations.await_words("Up to date", "h1")
    assert severe_entries(operations.driver) == []


def test_page_ends_with_the_server_at_once(operations: Operations) -> None:
    """A watcher would keep the process for SHUTDOWN_TIMEOUT, and 5 seconds more."""
    operations.await_words("live", "#live.on")
    assert operations.server.stop(signal.SIGTERM) == -signal.SIGTERM
    assert "shutdown complete" in operations.server.log
    operations.await_words("trying again", "#live.off")
