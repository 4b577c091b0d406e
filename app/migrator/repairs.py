"""The key under which a model declares how to restore rows after its table, function or trigger was missing."""

# The key of `MetaData.info` for a mapping from the name of a table, function or trigger to statements, which `drift`
# prints after the statement that recreates it: they restore the rows that it would have written meanwhile.
REPAIRS = "repairs"
