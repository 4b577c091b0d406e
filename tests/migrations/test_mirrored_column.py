"""A column that mirrors another one: whichever of the two a release writes, both hold the same."""

import pytest

from app.migrator.autogenerate.mirrored_column import MirroredColumn, read_mirrored_column
from tests.support.database import query

# One row, and what a release does to it -> what the old and the new column hold then.
WRITES = {
    "the old release inserts": ("INSERT INTO notes (id, body) VALUES (1, 'a')", ("a", "a")),
    "the old release inserts the default": ("INSERT INTO notes (id, body) VALUES (1, 'empty')", ("empty", "empty")),
    "the old release inserts NULL": ("INSERT INTO notes (id, body) VALUES (1, NULL)", (None, None)),
    "the new release inserts": ("INSERT INTO notes (id, content) VALUES (1, 'b')", ("b", "b")),
    "the new release inserts the default": ("INSERT INTO notes (id, content) VALUES (1, 'empty')", ("empty", "empty")),
    "the new release inserts NULL": ("INSERT INTO notes (id, content) VALUES (1, NULL)", (None, None)),
    "a release inserts both": ("INSERT INTO notes (id, body, content) VALUES (1, 'c', 'c')", ("c", "c")),
    "a release inserts neither": ("INSERT INTO notes (id) VALUES (1)", ("empty", "empty")),
    "two inserted values differ": ("INSERT INTO notes (id, body, content) VALUES (1, 'c', 'd')", ("d", "d")),
    "the old release updates": ("UPDATE notes SET body = 'e'", ("e", "e")),
    "the old release updates to NULL": ("UPDATE notes SET body = NULL", (None, None)),
    "the new release updates": ("UPDATE notes SET content = 'f'", ("f", "f")),
    "the new release updates to NULL": ("UPDATE notes SET content = NULL", (None, None)),
    "a release updates both": ("UPDATE notes SET body = 'g', content = 'g'", ("g", "g")),
    "a release writes what is there": ("UPDATE notes SET body = body", ("old", "old")),
    "another column is updated": ("UPDATE notes SET id = 2", ("old", "old")),
    "the old release inserts or updates": (
        "INSERT INTO notes (id, body) VALUES (0, 'h') ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        ("h", "h"),
    ),
    "the new release inserts or updates": (
        "INSERT INTO notes (id, content) VALUES (0, 'i') ON CONFLICT (id) DO UPDATE SET content = excluded.content",
        ("i", "i"),
    ),
}


@pytest.fixture
def notes(empty_database_url: str) -> str:
    """The URL of a database whose table `notes` has a row in which both columns are filled."""
    query(
        empty_database_url,
        "CREATE TABLE notes (id int PRIMARY KEY, body text DEFAULT 'empty');"
        "INSERT INTO notes VALUES (0, 'old');"
        "ALTER TABLE notes ADD content text;"
        "ALTER TABLE notes ALTER content SET DEFAULT 'empty'",
    )
    create(empty_database_url, MirroredColumn("notes", "body", "content", default="'empty'"))
    query(empty_database_url, "UPDATE notes SET content = body")
    return empty_database_url


def create(url: str, column: MirroredColumn) -> None:
    for statement in column.create():
        run(url, statement)


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run a statement in which a colon is no parameter."""
    return query(url, statement.replace(":", r"\:"))


def backfill(url: str, column: MirroredColumn) -> int:
    """Run the backfill over all rows, and return how many it has filled."""
    statement = column.backfill_update.format(batch=column.backfill_where)
    return len(run(url, f"{statement} RETURNING 1"))


def test_mirrored_column_whoever_writes_both_are_equal(notes: str) -> None:
    held = {}
    for case, (statement, _) in WRITES.items():
        if statement.startswith("INSERT INTO notes") and "CONFLICT" not in statement:
            query(notes, "DELETE FROM notes")
        query(notes, statement)
        held[case] = query(notes, "SELECT body, content FROM notes")
        query(notes, "DELETE FROM notes; INSERT INTO notes VALUES (0, 'old', 'old')")
    assert held == {case: [row] for case, (_, row) in WRITES.items()}


def test_mirrored_column_old_column_without_default_is_filled_in(empty_database_url: str) -> None:
    query(empty_database_url, "CREATE TABLE notes (id int, body json NOT NULL); ALTER TABLE notes ADD content json")
    create(empty_database_url, MirroredColumn("notes", "body", "content"))
    query(empty_database_url, "INSERT INTO notes (id, content) VALUES (1, '{}')")
    query(empty_database_url, "INSERT INTO notes (id, body) VALUES (2, '[]')")
    query(empty_database_url, "UPDATE notes SET body = '1' WHERE id = 2")
    rows = query(empty_database_url, "SELECT id, concat(body), concat(content) FROM notes ORDER BY id")
    assert rows == [(1, "{}", "{}"), (2, "1", "1")]


def test_mirrored_column_of_another_type_converts_each_way_and_loses_nothing(empty_database_url: str) -> None:
    query(empty_database_url, "CREATE TABLE notes (id int, share float8 NOT NULL)")
    query(empty_database_url, "INSERT INTO notes VALUES (1, 80.4), (2, 80.4), (3, 80.4), (4, 80.4)")
    query(empty_database_url, "ALTER TABLE notes ADD percent bigint")
    column = MirroredColumn("notes", "share", "percent", "round({value})::bigint", "{value}::float8")
    create(empty_database_url, column)
    query(empty_database_url, "UPDATE notes SET id = 20 WHERE id = 2")
    query(empty_database_url, "UPDATE notes SET share = 90.6 WHERE id = 3")
    query(empty_database_url, "UPDATE notes SET percent = 7 WHERE id = 4")
    query(empty_database_url, "INSERT INTO notes (id, percent) VALUES (5, 3)")
    assert backfill(empty_database_url, column) == 2
    assert backfill(empty_database_url, column) == 0
    rows = query(empty_database_url, "SELECT id, share, percent FROM notes ORDER BY id")
    assert rows == [(1, 80.4, 80), (3, 90.6, 91), (4, 7, 7), (5, 3, 3), (20, 80.4, 80)]


def test_mirrored_column_converts_alike_whatever_a_session_has_set(empty_database_url: str) -> None:
    query(
        empty_database_url,
        "CREATE TABLE notes (id int, at timestamp); INSERT INTO notes VALUES (1, '2026-01-01 12:00')",
    )
    query(empty_database_url, "ALTER TABLE notes ADD at_new timestamptz")
    column = MirroredColumn("notes", "at", "at_new", "{value}::timestamptz", "{value}::timestamp")
    create(empty_database_url, column)
    filled = column.backfill_update.format(batch=column.backfill_where)
    run(empty_database_url, f"SET timezone = 'UTC'; {filled}")
    written = "INSERT INTO notes (id, at) VALUES (2, '2026-01-01 12:00')"
    query(empty_database_url, f"SET timezone = 'Asia/Tokyo'; {written}")
    query(
        empty_database_url,
        "SET timezone = 'Asia/Tokyo'; INSERT INTO notes (id, at_new) VALUES (3, '2026-01-01 12:00+00')",
    )
    assert query(empty_database_url, "SELECT count(*), count(DISTINCT at), count(DISTINCT at_new) FROM notes") == [
        (3, 1, 1)
    ]


# Types and conversions, and what was written past the trigger -> what the backfill makes of it.
PAST_THE_TRIGGER = {
    "the same type": (MirroredColumn("notes", "a", "b"), ("text", "text"), "a = 'y'", ("y", "y")),
    "no equality": (MirroredColumn("notes", "a", "b"), ("json", "json"), "a = '[1]'", ("[1]", "[1]")),
    "the new one": (MirroredColumn("notes", "a", "b"), ("text", "text"), "b = 'z'", ("7", "7")),
    "the old one is NULL": (MirroredColumn("notes", "a", "b"), ("text", "text"), "a = NULL", ("", "")),
    "less precise": (
        MirroredColumn("notes", "a", "b", "{value}::numeric", "{value}::double precision", new_type="numeric(10,2)"),
        ("double precision", "numeric(10,2)"),
        "a = 1.239",
        ("1.239", "1.24"),
    ),
    "more precise": (
        MirroredColumn("notes", "a", "b", "{value}::double precision", "{value}::numeric", old_type="numeric(10,2)"),
        ("numeric(10,2)", "double precision"),
        "a = 5",
        ("5.00", "5"),
    ),
}


@pytest.mark.parametrize("case", PAST_THE_TRIGGER)
def test_mirrored_column_written_past_the_trigger_is_left_to_the_backfill(empty_database_url: str, case: str) -> None:
    column, types, written, expected = PAST_THE_TRIGGER[case]
    query(empty_database_url, "CREATE TABLE notes (id int, a {}, b {})".format(*types))
    create(empty_database_url, column)
    query(empty_database_url, "INSERT INTO notes (id, a) VALUES (1, '7')")
    assert backfill(empty_database_url, column) == 0
    query(
        empty_database_url,
        f"ALTER TABLE notes DISABLE TRIGGER USER; UPDATE notes SET {written}; ALTER TABLE notes ENABLE TRIGGER USER",
    )
    assert backfill(empty_database_url, column) == 1
    assert backfill(empty_database_url, column) == 0
    assert query(empty_database_url, "SELECT concat(a), concat(b) FROM notes") == [expected]


def test_mirrored_column_keeps_what_the_old_type_cannot_hold(empty_database_url: str) -> None:
    query(empty_database_url, "CREATE TABLE notes (id int, a numeric(10,2), b double precision)")
    column = MirroredColumn(
        "notes", "a", "b", "{value}::double precision", "{value}::numeric", old_type="numeric(10,2)"
    )
    create(empty_database_url, column)
    query(empty_database_url, "INSERT INTO notes (id, b) VALUES (1, 1.239)")
    query(empty_database_url, "UPDATE notes SET a = a")
    assert backfill(empty_database_url, column) == 0
    assert query(empty_database_url, "SELECT concat(a), concat(b) FROM notes") == [("1.24", "1.239")]


def test_mirrored_column_is_read_from_the_function_of_an_earlier_release() -> None:
    column = MirroredColumn("notes", "body", "content", "{value}::bigint", "{value}::text")
    function = column.create()[0]
    former = function.replace(
        "'INSERT' OR ROW(NEW.body)::record *<> ROW(OLD.body)::record\n"
        "          OR ROW(NEW.body)::record *<> ROW(NEW.content::text)::record",
        "'INSERT' OR NEW.content IS NOT DISTINCT FROM NULL\n"
        "          OR ROW(NEW.body)::record *<> ROW(OLD.body)::record",
    )
    assert former != function
    assert read_mirrored_column(former) == column


def test_mirrored_column_holds_the_same_bytes_where_the_types_equality_is_looser(empty_database_url: str) -> None:
    query(empty_database_url, "CREATE TABLE notes (price numeric, amount numeric)")
    create(empty_database_url, MirroredColumn("notes", "price", "amount"))
    query(empty_database_url, "INSERT INTO notes (price) VALUES (1.0)")
    query(empty_database_url, "UPDATE notes SET price = 1.00")
    assert query(empty_database_url, "SELECT concat(amount) FROM notes") == [("1.00",)]
    query(empty_database_url, "UPDATE notes SET amount = 1.000")
    assert query(empty_database_url, "SELECT concat(price) FROM notes") == [("1.000",)]


def test_mirrored_column_cannot_be_dropped_before_its_trigger(notes: str) -> None:
    with pytest.raises(Exception, match="other objects depend on it"):
        query(notes, "ALTER TABLE notes DROP body")
    for statement in MirroredColumn("notes", "body", "content").drop():
        query(notes, statement)
    query(notes, "ALTER TABLE notes DROP body")
    query(notes, "INSERT INTO notes (id, content) VALUES (1, 'b')")


@pytest.mark.parametrize(
    "column",
    [
        MirroredColumn("notes", "body", "content"),
        MirroredColumn("our notes", 'the "body"', "Order", default="'(1)'::text"),
        MirroredColumn("notes", "n", "m", "{value}::int4", "({value} / 2)::text", "'a' || lower('B')"),
        MirroredColumn("notes", "n", "m", "{value}::bigint", "{value}::numeric", old_type="numeric(10,2)"),
        MirroredColumn("n" * 60, "a" * 63, "ä" * 31),
        MirroredColumn("app.notes", "body", "content"),
        MirroredColumn('"app.notes"', "a.b", "$$"),
        MirroredColumn("notes", "a_b", "a:b%"),
    ],
)
def test_mirrored_column_is_read_from_its_function_as_the_server_shows_it(
    column: MirroredColumn, empty_database_url: str
) -> None:
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (column.old, column.new)]
    query(empty_database_url, "CREATE SCHEMA app")
    table = {"app.notes": '"app"."notes"', '"app.notes"': '"app.notes"'}.get(column.table, f'"{column.table}"')
    run(empty_database_url, f"CREATE TABLE {table} ({quoted[0]} text, {quoted[1]} text)")
    create(empty_database_url, column)
    assert read_mirrored_column(column.create()[0]) == column
    assert len(column.name.encode()) <= 63
    shown = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = :name"
    ((definition,),) = query(empty_database_url, shown, name=column.name)
    assert read_mirrored_column(definition) == column


def test_triggers_of_two_columns_have_two_names_and_those_of_earlier_releases_are_known() -> None:
    columns = [
        MirroredColumn("a_b", "c", "d"),
        MirroredColumn("a", "b_c", "d"),
        MirroredColumn("a", "b", "c_d"),
        MirroredColumn("a.b", "c", "d"),
        MirroredColumn('"a.b"', "c", "d"),
        MirroredColumn("a" * 60, "b_c", "d"),
        MirroredColumn("a" * 60 + "_b", "c", "d"),
    ]
    assert len({column.name for column in columns}) == len(columns)
    assert all(column.is_kept_by(column.table, column.name) for column in columns)
    assert MirroredColumn("boards", "objective", "goal").name == "mirror_boards_objective_goal"
    assert columns[0].is_kept_by("a_b", "mirror_a_b_c_d")
    assert not columns[0].is_kept_by("a", "mirror_a_b_c_d")


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("NEW.body := NEW.content", "NEW.body := NEW.id"),
        ("*<>", "*="),
        ("    RETURN NEW;", "    DELETE FROM notes; RETURN NEW;"),
        ("notes.content mirrors", "notes.content shows"),
    ],
)
def test_mirrored_column_is_not_read_from_a_function_that_does_something_else(written: str, instead: str) -> None:
    function = MirroredColumn("notes", "body", "content").create()[0]
    assert written in function
    read = read_mirrored_column(function.replace(written, instead))
    assert read is None or (read.to_new, read.to_old) != ("{value}", "{value}")
