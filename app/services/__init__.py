"""The rules: one service a resource, which a controller gets by Litestar's `Provide`.

    class TagController(Controller):
        dependencies = provide_service(TagService)  # TagService(session, caller), made for each request

        @get("/tags/{tag_id:uuid}")
        async def read(self, tag_id: UUID, service: NamedDependency[TagService]) -> TagRead: ...

A service checks what its caller may do, asks repositories, and records what was done (`ActivityLog`). It raises errors
of the application (`core/errors.py`), knows no HTTP, and does not commit: the request's session does.
"""
