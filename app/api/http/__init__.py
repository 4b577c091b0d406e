"""The HTTP layer around the handlers: sign-in, admission, body, conditions, idempotency, headers, errors, metrics."""
