"""How the live schema differs from the models, and the statements that would mend it.

Compared are tables, columns, indexes, constraints, enums and sequences of one schema. Views, functions, triggers,
policies, domains, comments, privileges, storage parameters and partitioning are not, nor is what extensions own.
"""
