FROM python:3.13-slim AS build
WORKDIR /srv
COPY requirements.txt .
# Wheels alone: nothing is compiled, so no compiler is installed, not even here. pip is the base image's: the environment
# needs none.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --no-compile --only-binary=:all: --require-hashes -r requirements.txt
# What is never loaded: made-up data for examples that Litestar does not make here, tests, sources of compiled modules, and
# what a debugger of the page's scripts reads.
RUN rm -rf /venv/lib/python*/site-packages/faker /venv/lib/python*/site-packages/polyfactory \
    && find /venv/lib -type d -name tests -prune -exec rm -rf {} + \
    && find /venv/lib -type f -regex '.*\.\(map\|c\|cpp\|h\|hpp\|pyx\|pxd\|pxi\)' -delete
RUN /venv/bin/python -m compileall -q /venv/lib

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
# A release's; `--build-arg REVISION=…` names the commit.
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Plimsoll" \
    org.opencontainers.image.description="A backend for teams of people and AI agents whose schema changes are applied safely." \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION"
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# In the exec form the server is process 1 and gets SIGTERM itself: it finishes what it is answering, then stops.
CMD ["litestar", "run", "--host", "0.0.0.0", "--port", "8000"]
