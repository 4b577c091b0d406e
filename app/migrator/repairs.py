"""The key under which a model declares the statements that restore rows after its table, function or trigger was
missing.
"""

# The key of `MetaData.info` under which a module says what `drift` prints after a statement that brings back a table,
# function or trigger of its own: statements by that name, for what was missed meanwhile.
REPAIRS = "repairs"
