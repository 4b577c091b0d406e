"""The interactive page of the OpenAPI document, in a browser that reaches nothing but this machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.wait import WebDriverWait

from app.asgi import create_app
from app.core.settings import Environment
from tests.conftest import TOKEN, client_of, settings_for
from tests.support.browser import browser, severe_entries
from tests.support.openapi import document, operations
from tests.support.processes import Server
from tests.support.waiting import PATIENCE

FILTER = ".operation-filter-input"


class Page:
    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self._url = url
        self._wait = WebDriverWait(driver, PATIENCE)

    def open(self) -> None:
        self.driver.get(self._url)
        self.all(".opblock-tag")

    def all(self, selector: str) -> list[WebElement]:
        """Wait for at least one element, and return all."""
        return self._wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, selector))

    def shown_operations(self) -> set[str]:
        # All in one: to ask for each takes longer than the page does to change.
        ids = self.driver.execute_script("return Array.from(document.querySelectorAll('.opblock'), (it) => it.id)")
        return {str(block).rsplit("-", 1)[-1] for block in ids}

    def click(self, selector: str) -> None:
        self._wait.until(element_to_be_clickable((By.CSS_SELECTOR, selector))).click()

    def write(self, selector: str, text: str) -> None:
        self._wait.until(element_to_be_clickable((By.CSS_SELECTOR, selector))).send_keys(text)

    def find(self, phrase: str, expected: set[str]) -> None:
        """Filter by the phrase, and wait until just the expected operations are shown."""
        self.write(FILTER, f"{Keys.CONTROL}a{Keys.NULL}{phrase}")
        self._wait.until(lambda _: self.shown_operations() == expected)


@pytest.fixture(scope="module")
def page(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        page = Page(driver, f"{server.url}/schema")
        # Once for all tests, the first of which sees it as it begins: to open it takes seconds.
        page.open()
        yield page
        assert severe_entries(driver) == []


def operations_with(words: str) -> set[str]:
    return {operation.id for operation in operations() if words in operation.described["summary"].lower()}


def test_page_begins_with_the_tags_alone_each_with_its_description(page: Page, tmp_path: Path) -> None:
    page.driver.save_screenshot(str(tmp_path / "page.png"))
    shown = [tuple(heading.text.splitlines()[:2]) for heading in page.all(".opblock-tag")]
    assert shown == [(tag["name"], tag["description"]) for tag in document()["tags"]]
    assert page.shown_operations() == set()


def test_filter_shows_the_operations_that_have_a_phrase(page: Page) -> None:
    assert page.all(FILTER)[0].get_attribute("placeholder") == "Filter by a word of a summary, path, id or tag"
    page.find("Custom Field", operations_with("custom field"))
    page.find("get_me", {"get_me", "get_member"})
    page.find("patch /api/v1/boards/{board_id}/tasks", {"update_task"})
    page.find("board-webhooks", {op.id for op in operations() if "board-webhooks" in op.described["tags"]})
    page.find("no such thing", set())


def test_token_is_kept_over_a_reload_and_sent_with_a_request(page: Page, tmp_path: Path) -> None:
    page.click(".btn.authorize")
    page.write(".auth-container input[aria-label='auth-bearer-value']", TOKEN)
    page.click(".auth-container .btn.authorize")
    page.open()
    page.find("your own user", operations_with("your own user"))
    one = "#operations-users-get_me"
    page.click(f"{one} .opblock-summary-control")
    page.click(f"{one} .try-out__btn")
    page.click(f"{one} .execute")
    (status,) = page.all(f"{one} .live-responses-table .response .response-col_status")
    body = page.all(f"{one} .live-responses-table .response .microlight")[0].text
    page.driver.save_screenshot(str(tmp_path / "request.png"))
    assert (status.text.split()[0], '"Local user"' in body) == ("200", True)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [(Environment.DEV, (302, "/schema")), (Environment.STAGING, (404, None)), (Environment.PRODUCTION, (404, None))],
)
async def test_bare_address_leads_to_the_page_in_dev_alone(
    stage: Environment, expected: tuple[int, str | None]
) -> None:
    async with client_of(create_app(settings_for("postgresql://nobody@127.0.0.1:1/x", environment=stage))) as client:
        answer = await client.get("/")
        assert (answer.status_code, answer.headers.get("location")) == expected
        if expected[1]:
            assert (await client.get("/", follow_redirects=True)).headers["content-type"].startswith("text/html")


async def test_page_needs_no_other_host(client: httpx.AsyncClient) -> None:
    page = (await client.get("/schema")).text
    references = re.findall(r"""(?:src|href)=['"]([^'"]+)['"]""", page)
    files = [reference for reference in references if not reference.startswith("data:")]
    assert len(files) == 3
    for reference in files:
        assert reference.startswith("/schema-assets/"), reference
        assert (await client.get(reference)).status_code == 200, reference
