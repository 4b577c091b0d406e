"""The recipes of writing-revisions.md, as they stand there, on a database with rows and beside two releases."""

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import pytest
import sqlalchemy as sa

from app.db import migrator_config
from app.migrator.backfill.throttle import Throttle
from app.migrator.phase import Phase
from app.models import metadata
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import applied, query
from tests.support.migrator import downgrade, lint, upgrade
from tests.support.migrator import run_backfills as run
from tests.support.processes import ROOT

PAGE = ROOT / "migrations" / "docs" / "writing-revisions.md"


@dataclass(frozen=True)
class Recipe:
    """What is in the database before, and what the code of each release does."""

    # 0 is the release before the first step.
    releases: dict[int, str]
    then: str
    rows: list[tuple[object, ...]]
    before: str = ""


ORGANIZATION = "(SELECT id FROM organizations LIMIT 1)"
BOARD = "(SELECT id FROM boards LIMIT 1)"
SOMEBODY = f"""
INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'somebody');
INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'Fleet');
INSERT INTO boards (id, organization_id, name, slug, description, objective)
  VALUES (gen_random_uuid(), {ORGANIZATION}, 'old', 'old', '', 'sail');
"""


def insert(table: str, **values: str) -> str:
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(values.values())});"


SOME_ID = "gen_random_uuid()"
SOME_NAME = "gen_random_uuid()::text"
board = partial(
    insert, "boards", id=SOME_ID, organization_id=ORGANIZATION, name="'new'", slug=SOME_NAME, description="''"
)
approval = partial(
    insert, "approvals", id=SOME_ID, organization_id=ORGANIZATION, board_id=BOARD, action_type="'stow_cargo'"
)
custom_field = partial(
    insert, "custom_fields", id=SOME_ID, organization_id=ORGANIZATION, field_key=SOME_NAME, field_type="'text'"
)
user = partial(insert, "users", id=SOME_ID, subject=SOME_NAME)
task = partial(insert, "tasks", id=SOME_ID, organization_id=ORGANIZATION, board_id=BOARD, title="'Load the barrels'")
tag = partial(insert, "tags", id=SOME_ID, organization_id=ORGANIZATION, slug=SOME_NAME)
label = partial(insert, "labels", id=SOME_ID, organization_id=ORGANIZATION, slug=SOME_NAME)
agent = partial(
    insert,
    "agents",
    id=SOME_ID,
    organization_id=ORGANIZATION,
    name="'Bosun'",
    token_hash="uuid_send(gen_random_uuid())",
)
profile = partial(
    insert,
    "user_profiles",
    user_id="(SELECT id FROM users WHERE id NOT IN (SELECT user_id FROM user_profiles) LIMIT 1)",
)
EVERY_TEN_MINUTES = """'{"every": "10m"}'"""
RECIPES = {
    "Rename a column": Recipe(
        releases={
            0: board(objective="'sail'")
            + "UPDATE boards SET objective = 'anchor' WHERE name = 'old'; SELECT objective FROM boards;",
            1: board(goal="'sail'") + "UPDATE boards SET goal = 'sail' WHERE name = 'new'; SELECT goal FROM boards;",
        },
        then="SELECT DISTINCT name, goal FROM boards ORDER BY name",
        rows=[("new", "sail"), ("old", "anchor")],
    ),
    "Rename a table": Recipe(
        before=tag(name="'deck'"),
        releases={
            0: tag(name="'hull'") + "UPDATE tags SET name = 'keel' WHERE name = 'hull'; SELECT name FROM tags;",
            1: label(name="'mast'") + "UPDATE labels SET color = 'ff0000' RETURNING name; SELECT name FROM labels;",
        },
        then="SELECT DISTINCT name, color FROM labels ORDER BY name",
        rows=[("deck", "ff0000"), ("keel", "ff0000"), ("mast", "ff0000")],
    ),
    "Change a type": Recipe(
        before=approval(confidence="80.4"),
        releases={
            0: approval(confidence="80.4"),
            1: approval(confidence="80", confidence_percent="80") + "SELECT confidence FROM approvals;",
            2: approval(confidence="80", confidence_percent="80") + "SELECT confidence_percent FROM approvals;",
            3: approval(confidence_percent="80") + "SELECT confidence_percent FROM approvals;",
        },
        then="SELECT DISTINCT confidence_percent FROM approvals",
        rows=[(80,)],
    ),
    "Drop a column": Recipe(
        before=custom_field(label="'Depth'"),
        releases={
            0: custom_field(label="'Depth'") + "SELECT label FROM custom_fields;",
            1: custom_field(label="''"),
            2: custom_field(),
        },
        then="SELECT attname FROM pg_attribute WHERE attrelid = 'custom_fields'::regclass AND attname = 'label'",
        rows=[],
    ),
    "NOT NULL on an old column": Recipe(
        before=user(timezone="'Europe/Paris'"),
        releases={
            0: user(timezone="NULL") + user(),
            1: user(timezone="'UTC'"),
            2: user(timezone="'UTC'"),
        },
        then="SELECT DISTINCT timezone, attnotnull FROM users, pg_attribute"
        " WHERE attrelid = 'users'::regclass AND attname = 'timezone' ORDER BY timezone",
        rows=[("Europe/Paris", True), ("UTC", True)],
    ),
    "Foreign key on an old table": Recipe(
        before=task(),
        releases={0: task(), 1: task(reviewer_user_id="(SELECT id FROM users LIMIT 1)")},
        then="SELECT convalidated, confdeltype::text, indisvalid FROM pg_constraint, pg_index"
        " WHERE conname = 'fk_tasks_reviewer_user_id' AND indexrelid = 'ix_tasks_reviewer_user_id'::regclass",
        rows=[(True, "n", True)],
    ),
    "Unique constraint": Recipe(
        before=tag(name="'deck'") + tag(name="'deck'") + tag(name="'hull'"),
        releases={0: tag(name="'deck'"), 1: tag(name=SOME_NAME), 2: tag(name=SOME_NAME)},
        then="SELECT count(DISTINCT name) = count(*), count(*) FILTER (WHERE name LIKE 'deck (%)'),"
        " (SELECT contype::text FROM pg_constraint WHERE conname = 'uq_tags_organization_id_name') FROM tags",
        # The first of three keeps its name.
        rows=[(True, 2, "u")],
    ),
    "Split a table": Recipe(
        before=user(notes="'tall'"),
        releases={
            0: user(notes="'tall'"),
            1: user(notes="'tall'") + profile(notes="'tall'") + "SELECT notes, context FROM users;",
            2: user(notes="'tall'") + profile(notes="'tall'") + "SELECT notes, context FROM user_profiles;",
            3: user() + profile(notes="'tall'") + "SELECT notes, context FROM user_profiles;",
        },
        then="SELECT DISTINCT subject = 'somebody', notes FROM users LEFT JOIN user_profiles ON user_id = users.id"
        " ORDER BY notes",
        rows=[(False, "tall"), (True, None)],
    ),
    "Move data": Recipe(
        before=agent(heartbeat_config="""'{"every": "10m", "model": "small"}'"""),
        releases={
            0: agent(heartbeat_config=EVERY_TEN_MINUTES),
            1: agent(heartbeat_config=EVERY_TEN_MINUTES, heartbeat_every="'10m'"),
            2: agent(heartbeat_config=EVERY_TEN_MINUTES, heartbeat_every="'10m'")
            + "SELECT heartbeat_every FROM agents;",
            3: agent(heartbeat_every="'10m'"),
        },
        then="SELECT DISTINCT heartbeat_every FROM agents",
        rows=[("10m",)],
    ),
}


def releases_of(title: str) -> tuple[dict[int, list[str]], str]:
    """Return the code blocks of each release of the recipe, and the name of its backfill."""
    (section,) = re.findall(rf"^### {title}\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    number, found = 0, defaultdict(list)
    for release, code in re.findall(r"^\*\*Release (\d)\*\*|^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
        if release:
            number = int(release)
        else:
            found[number].append(code)
    required = dict.fromkeys(re.findall(r'^requires_backfill = "(\w+)"$', section, re.MULTILINE))
    return found, "".join(required)


def test_every_recipe_of_the_page_is_tried() -> None:
    assert re.findall(r"^### (.*)$", PAGE.read_text(), re.MULTILINE) == [*RECIPES]


@pytest.mark.parametrize("title", RECIPES)
def test_recipe_keeps_the_data_and_two_releases_working(
    title: str, release: Release, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = RECIPES[title]
    settings = settings_for(database_url)
    codes, backfill = releases_of(title)
    query(database_url, SOMEBODY + recipe.before)
    for number in range(1, max(recipe.releases) + 1):
        for code in codes[number]:
            write(release, code, backfill)
        monkeypatch.setattr(migrator_config, "metadata", without_dropped(codes[number]))
        assert lint(settings).findings == ()
        if any("requires_backfill" in code for code in codes[number]):
            with pytest.raises(MigrationFailedError, match=backfill):
                upgrade(settings)
            run(settings, [backfill], Throttle(rate=0), lambda progress: None)
        upgrade(settings, phase=Phase.EXPAND)
        query(database_url, recipe.releases[number - 1] + recipe.releases[number])
        upgrade(settings)
        query(database_url, recipe.releases[number])
    assert applied(database_url) == [release.head]
    assert query(database_url, recipe.then) == recipe.rows
    downgrade(settings, HEAD, accept_data_loss=True)
    query(database_url, recipe.releases[0])


def without_dropped(codes: list[str]) -> sa.MetaData:
    """Return the models' tables without the columns that a release drops."""
    upgrades = "".join(code.partition("def downgrade")[0] for code in codes)
    dropped = re.findall(r'op\.drop_column\("(\w+)", "(\w+)"\)', upgrades)
    left = sa.MetaData()
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if (table.name, column.name) not in dropped]
        sa.Table(table.name, left, *(sa.Column(column.name, column.type) for column in columns))
    return left


def write(release: Release, code: str, backfill: str) -> None:
    if "Backfill(" not in code:
        release.add_below_header(code)
        return
    code, found = re.subn(r'after="\w+"', f'after="{release.head}"', code)
    assert found == 1
    (release.root / "migrations" / "backfills" / f"{backfill}.py").write_text(code)
