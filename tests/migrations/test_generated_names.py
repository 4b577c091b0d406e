"""Generated revisions for tables and columns whose names need quotes, of every kind of change."""

import pytest
from alembic import command

from app.migrator import downgrade, upgrade
from app.migrator.autogenerate.rename_answers import ANSWERS, RenameAnswers
from app.migrator.backfill.runs import run as run_backfills
from app.migrator.backfill.status import BackfillUnfinishedError
from app.migrator.backfill.throttle import Throttle
from app.migrator.lint.linter import lint
from app.migrator.revisions.alembic_config import alembic_config
from tests.support.database import query
from tests.support.plain_project import PlainProject

# In the names: a dot, quotes, capitals, what begins a parameter or a format, and what ends a function's body.
NAMES = ['my."T" 50%(a)s', "It's a:b\\c", "x$$y"]
MODELS = """
T, OTHER = {table!r}, {other!r}
def c(name):
    return T + name
sa.Table(OTHER, metadata, sa.Column(c("id"), sa.BigInteger, primary_key=True, autoincrement=False))
sa.Table(T, metadata, {columns})
"""
OLD = """
    sa.Column(c("id"), sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(c("name"), sa.Text),
    sa.Column(c("kind"), sa.Text),
    sa.Column(c("size"), sa.Integer),
    sa.Column(c("old"), sa.Date),
    sa.Column(c("gone"), sa.Boolean, nullable=False),
    sa.Column(c("note"), sa.JSON),
"""
NEW = """
    sa.Column(c("id"), sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(c("name"), sa.Text, unique=True),
    sa.Column(c("kind"), sa.Text, nullable=False, server_default=T),
    sa.Column(c("size"), sa.BigInteger),
    sa.Column(c("new"), sa.Date, comment=T),
    sa.Column(c("note"), sa.JSON),
    sa.Column(c("number"), sa.BigInteger, sa.Identity()),
    sa.Column(c("other"), sa.ForeignKey(sa.Table(OTHER, metadata).c[c("id")])),
    sa.Index("ix" + T, c("kind"), c("name")),
    sa.CheckConstraint(sa.column(c("id")) > 0, name="ck" + T),
"""


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace(":", r"\:") + '"'


def go_up(project: PlainProject) -> None:
    while True:
        try:
            return upgrade(project.config)
        except BackfillUnfinishedError:
            run_backfills(project.config, None, Throttle(rate=0), lambda progress: None)


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_change_is_generated_for_any_name(
    project: PlainProject, empty_database_url: str, name: str
) -> None:
    names = {"table": name, "other": f"{name} too"}
    project.define(MODELS.format(columns=OLD, **names))
    project.generate()
    upgrade(project.config)
    first = query(empty_database_url, "SELECT version_num FROM alembic_version")[0][0]
    row = "(1, 'a', 'b', 3, '2026-01-01', true, '[1]')"
    query(empty_database_url, f"INSERT INTO {quoted(name)} VALUES {row}".replace(":", r"\:").replace(r"\\:", r"\:"))
    project.define(MODELS.format(columns=NEW, **names))
    token = ANSWERS.set(RenameAnswers((f"{name}.{name}old:{name}new",)))
    try:
        command.revision(alembic_config(project.config), autogenerate=True)
    finally:
        ANSWERS.reset(token)
    assert [found.rule for found in lint(project.config).findings] == []
    go_up(project)
    project.check()
    downgrade(project.config, first, accept_data_loss=True)
    kept = ", ".join(quoted(name + column) for column in ("name", "kind", "size", "old"))
    shown = query(empty_database_url, f"SELECT {kept} FROM {quoted(name)}")
    assert [[str(value) for value in values] for values in shown] == [["a", "b", "3", "2026-01-01"]]
    go_up(project)
