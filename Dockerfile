# One image for the four programs. `docker compose build` makes it.

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/canhbao
COPY requirements.runtime.lock ./
# --no-deps: the lock is complete.
RUN pip --python /opt/canhbao/bin/python --disable-pip-version-check install --no-cache-dir --no-deps --require-hashes -r requirements.runtime.lock
COPY LICENSE NOTICE README.md pyproject.toml ./
COPY devices devices
COPY ingest ingest
COPY rules rules
COPY alerts alerts
COPY grafana grafana
COPY web web
COPY service service
COPY config config
RUN pip --python /opt/canhbao/bin/python --disable-pip-version-check install --no-cache-dir --no-deps --no-build-isolation --compile .

FROM python:3.12-slim
ARG UID=10001
RUN groupadd --gid "$UID" canhbao && useradd --uid "$UID" --gid "$UID" --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin canhbao \
    && install -d -o "$UID" -g "$UID" -m 0700 /data
COPY --from=build /opt/canhbao /opt/canhbao
ENV PATH=/opt/canhbao/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 CANHBAO_DATA=/data
USER canhbao
EXPOSE 8080 8081
ENTRYPOINT ["canhbao"]
CMD ["run"]
