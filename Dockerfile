# The production image: the product alone, without the simulated AWS (`--no-default-features`).
FROM rust:1.95-bookworm AS builder
WORKDIR /build
# rust-toolchain.toml stays out (.dockerignore): the image is the toolchain, nothing more is downloaded.
COPY . .
RUN cargo build --package fleetgate --bin fleetgate --no-default-features --release --locked

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin fleetgate \
    && install --directory --owner=fleetgate --group=fleetgate --mode=0700 /data
COPY --from=builder /build/target/release/fleetgate /usr/local/bin/fleetgate
USER 10001:10001
WORKDIR /data
VOLUME /data
# All interfaces of the container: whoever runs it decides what is published.
ENV FLEETGATE_DATABASE_URL=sqlite:///data/fleetgate.db \
    FLEETGATE_LISTEN=0.0.0.0:8080
EXPOSE 8080
# No HEALTHCHECK: /healthz and /readyz may be on a listener of their own, and orchestrators ask them directly.
ENTRYPOINT ["fleetgate"]
CMD ["serve"]
