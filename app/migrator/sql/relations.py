"""What hangs together in a schema, so that a statement on one table locks others, too."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key of `table`; `key` is the unique constraint or index that it rests on.

    `changes_on_delete` says that a DELETE of what it refers to changes rows of `table`, and `changes_on_update` the
    same of an UPDATE.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    referenced: str
    referenced_columns: tuple[str, ...] = ()
    key: str = ""
    changes_on_delete: bool = False
    deletes_on_delete: bool = False
    changes_on_update: bool = False


@dataclass(frozen=True)
class Relations:
    """The relations of a schema by their names, as effects have them; empty where nothing is known.

    `tables` are all tables, views and sequences, None where they are not known, and `with_rows` those that hold rows.
    `children` are the direct partitions and inheritors of a table, `defaults` the default partition of a partitioned
    table, `parents` the table that a partition is of. `indexes` are the tables of the indexes, `statistics` those of
    extended statistics. `reads` are what a view reads, `columns_read` its columns. `sequences` are the ones that belong
    to a table's column. `uses` are the tables that have a column of a type or domain, `runs` those with a trigger that
    calls a function. `domains` are those that have a constraint, `types` the types of columns.
    """

    tables: frozenset[str] | None = None
    with_rows: frozenset[str] = frozenset()
    children: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns_read: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    sequences: Mapping[tuple[str, str], str] = field(default_factory=dict)
    uses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    domains: frozenset[str] = frozenset()
    types: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def is_missing(self, table: str) -> bool:
        """Return whether it is known that there is no such table."""
        return self.tables is not None and table not in self.tables

    def with_children(self, table: str) -> Iterator[str]:
        """Yield the table, its partitions and inheritors, and theirs."""
        yield table
        for child in self.children.get(table, ()):
            yield from self.with_children(child)

    def with_partitions(self, table: str) -> Iterator[str]:
        """Yield the table, its partitions and theirs, without what inherits from it."""
        yield table
        for child in self.children.get(table, ()):
            if child in self.parents:
                yield from self.with_partitions(child)

    def with_read(self, view: str) -> Iterator[str]:
        """Yield the view, and what it reads; a table alone."""
        yield view
        for table in self.reads.get(view, ()):
            yield from self.with_read(table)

    def views_of(self, table: str) -> Iterator[str]:
        """Yield the views that read the table, and those that read them."""
        for view, read in self.reads.items():
            if table in read:
                yield view
                yield from self.views_of(view)

    def views_of_column(self, table: str, column: str) -> Iterator[str]:
        """Yield the views that read the column, and those that read them."""
        for view, read in self.columns_read.items():
            if (table, column) in read:
                yield view
                yield from self.views_of(view)

    def sequences_of(self, table: str, column: str | None = None) -> list[str]:
        """Return the sequences that belong to the table, or to one of its columns."""
        return [name for (of, its), name in self.sequences.items() if of == table and column in {None, its}]

    def default_of(self, table: str) -> tuple[str, ...]:
        """Return the default partition of the table, if it has one."""
        return (self.defaults[table],) if table in self.defaults else ()

    def ancestors(self, table: str) -> Iterator[str]:
        """Yield the table that this one is a partition of, and so on."""
        while table in self.parents:
            table = self.parents[table]
            yield table

    def keys_of(self, table: str) -> Iterator[ForeignKey]:
        """Yield the foreign keys of the table, and of those that it is a partition of."""
        tables = {table, *self.ancestors(table)}
        return (key for key in self.foreign_keys if key.table in tables)

    def keys_to(self, table: str) -> Iterator[ForeignKey]:
        """Yield the foreign keys that refer to the table, or to one that it is a partition of."""
        tables = {table, *self.ancestors(table)}
        return (key for key in self.foreign_keys if key.referenced in tables)


NOTHING_KNOWN = Relations()
