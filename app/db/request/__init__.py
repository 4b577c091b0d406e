"""How a request reaches the database, and how its changes are committed.

The way of a request, outermost first; each step calls the next one:

    server/protocol.py         reads the request within its limits, and calls the application (ASGI); it is there only
                               under `litestar run`
    api/http/head.py           answers HEAD as GET without the body; measures the request, and traces it if TRACING is
                               set (api/http/request_span.py)
    CORS                       api/http/cors.py: answers preflights, if CORS_ALLOWED_ORIGINS is set
    error renderer             api/http/exception_handlers.py: makes problem+json of what the middleware below raises
    Litestar's router          finds the handler by path and method, or raises 404 or 405
    SessionMiddleware          session.py: notices if the client hangs up (client.py)
    run_with_retries           retry.py: calls all that follows again if the transaction was ended for no fault of the
                               request (three attempts at most). For each attempt:
      SessionMiddleware        session.py: opens a session, which has no connection yet, and closes it at the end
      ReadRoute                read_route.py: will say which server this attempt reads
    RequestIdMiddleware        api/http/request_id.py: binds the request's id for the log
    Answers                    api/compatibility/answers.py, if API_COMPATIBILITY is set: has another backend's statuses
                               and fields on the way back; its plugin also replaces the error renderer and JsonRequest
    Admission                  api/http/admission.py: raises 503 if too many requests are under way
    AuthMiddleware             api/http/auth.py: receives the whole body, has ReadRoute use a replica or the primary,
                               and signs the caller in; counts failed sign-ins apart (separate_transaction.py)
    ETagMiddleware             api/http/etag.py: adds ETag to the answer, or makes 304 of it
    Idempotency                api/http/idempotency.py: answers a POST that was sent before from what was stored
    error renderer             the same handlers again, so that errors of a handler pass the middleware as answers; an
                               error that run_with_retries is going to retry is raised again instead
    check_query                api/http/query_parameters.py: refuses unknown query parameters
    check_if_match             api/http/etag.py: with If-Match it runs the GET handler of the path, compares the tags,
                               locks the rows, and runs the GET handler and compares once more
    JsonRequest                api/http/body.py: decodes the body into the type that the handler takes
    provide_session            session.py: provides the session, and commits when the handler has returned
    provide_service            api/http/handler_parameters.py: makes the handler's service of the session and the caller
    handler                    api/<x>.py calls services/<x>.py, which calls repositories/<x>.py
      fetch_rows, execute_prepared   prepared.py: frequent statements go to asyncpg directly. Other statements pass
                               through SQLAlchemy. Both use the one connection of the session
                               (single_connection.py), which comes from postgres/pool.py

BEGIN is sent with the first statement that writes, locks rows or passes through SQLAlchemy, in whichever step that is:
recording the use of a token, claiming an idempotency key, locking what If-Match compares, or the service. What
`fetch_rows` reads before that (the caller with their board, usually; a single task) is outside of any transaction.

Then, back up:

    store_answer               api/http/idempotency.py: stores the answer in the request's transaction, if it is to a
                               POST with a key
    provide_session            raises if the client has gone (client.py), and COMMITs if a transaction has begun. With
                               read replicas it then tells the other processes by NOTIFY who has written up to where
                               (db/replicas/wal_tracker.py). That statement runs in autocommit: the second commit after
                               it is bookkeeping of the session, and sends nothing.
                               At last it notifies streams (db/notify.py), and releases the connection. An error before
                               the COMMIT is an error response, and nothing is stored. If the COMMIT's answer is lost,
                               nobody knows whether it is: a 503 says so, and the request is not run again
    response                   passes Idempotency, ETagMiddleware and Admission upwards; hooks add request id, Allow and
                               security headers as it starts

separate_transaction.py has a COMMIT of its own, before that, for what is counted even if the request fails: failed
sign-ins, and deliveries to webhooks.

Only GET, HEAD and OPTIONS read from a replica, which db/replicas/selection.py chooses. All others use the primary.
"""
