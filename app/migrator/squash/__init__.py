"""Write a baseline: one file that makes in an empty database what all revisions up to one of them make.

`squash.py` runs the revisions in an emptied `scratch.py` database, whose dump (`dump.py`) `render.py` turns into the
file. It then runs that in the emptied database, and refuses it unless both dumps are alike. `revisions/baselines.py`
has what an upgrade does with the file, and `deletion.py` deletes the replaced revisions, releases later.
"""
