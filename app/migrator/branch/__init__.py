"""What this branch's revisions change against another branch, known from git without a checkout or a database.

`git.py` reads the repository, `changes.py` says which revisions are new, edited or gone since the merge base, and
`base_models.py` loads the models as they were there. `summary.py` puts together what the new revisions do, and
`markdown.py` writes that for a comment.
"""
