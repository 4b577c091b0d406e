"""How a model says what brings back the rows that a missing table, function or trigger would have kept."""

# The key of `MetaData.info` under which a module says what `drift` prints after a statement that brings back a table,
# function or trigger of its own: statements by that name, for what was missed meanwhile.
REPAIRS = "repairs"
