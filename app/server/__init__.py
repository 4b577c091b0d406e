"""`litestar run`: its sockets and workers, and HTTP/1.1 within limits."""
