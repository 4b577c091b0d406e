"""Every query: one repository a table, each Advanced Alchemy's with the table's own lists and statements beside it.

    tags = TagRepository(session=session)
    tag = await tags.get_one(organization_id=organization_id, id=tag_id)  # or NotFoundError
    tag.name = "urgent"
    await tags.update(tag)  # or SlugTakenError, by the constraint that was broken
    page = await tags.page(organization_id, Window(limit=50))

`get…` returns one row or raises NotFoundError; `get…_or_none` does not raise. `get_row` is a prepared read of a row for
display; `add_row`, `update_row` and `lock_row` are prepared, too. `list…` returns all rows, `page…` a part of them.
`lock…` holds rows until the transaction ends.
"""
