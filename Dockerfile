FROM python:3.13-slim AS build
WORKDIR /srv
COPY requirements.txt .
# Wheels alone: nothing is compiled, so no compiler is installed, not even here.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.txt \
    && /venv/bin/python -m compileall -q /venv/lib

FROM python:3.13-slim
ENV ENVIRONMENT=production \
    PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /srv
# pg_dump and pg_restore for backups, of Debian's version (17 in trixie): a newer server needs a newer client.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home plimsoll
COPY --from=build /venv /venv
COPY alembic.ini ./
COPY migrations ./migrations
COPY app ./app
RUN python -m compileall -q app migrations
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# In the exec form the server is process 1 and gets SIGTERM itself: it finishes what it is answering, then stops.
CMD ["litestar", "run", "--host", "0.0.0.0", "--port", "8000"]
