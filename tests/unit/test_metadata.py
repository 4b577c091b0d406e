"""Names of the metadata: PostgreSQL cuts off what is longer than 63 bytes."""

from collections.abc import Iterator

from sqlalchemy.dialects import postgresql

from app.models import metadata

LIMIT = 63


def names() -> Iterator[str]:
    preparer = postgresql.dialect().identifier_preparer
    for table in metadata.tables.values():
        yield table.name
        yield from (column.name for column in table.columns)
        given = [preparer.format_constraint(constraint) for constraint in table.constraints]
        given += [preparer.format_index(index) for index in table.indexes]
        for name in given:
            assert name, f"a constraint of {table.name} has no name"
            yield name


def test_every_name_fits_into_an_identifier() -> None:
    every = list(names())
    assert len(every) > 80, "the metadata was not imported"
    assert [name for name in every if len(name.encode()) > LIMIT] == []
