"""How the live schema differs from the models, and the statements that would mend it.

Compared are tables, columns, indexes, constraints, enums and sequences of one schema; triggers, policies and rules of
the models' tables; functions, views and comments as far as the models have them. Domains, privileges, storage
parameters and partitioning are not, nor is what extensions own.
"""
