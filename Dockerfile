# syntax=docker/dockerfile:1

# Builds the one binary. Downloaded crates and everything compiled stay in BuildKit's caches, so that a second build
# compiles what has changed and nothing else.
FROM rust:1-slim-trixie AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --locked --release --package hookline --bin hookline \
    && install -D --strip target/release/hookline /out/hookline

# Runs it: a C library, the authorities that amqps:// trusts, and the binary.
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin hookline \
    && install -d -o hookline -g hookline /data
COPY --from=build /out/hookline /usr/local/bin/hookline
USER 10001
# The embedded defaults keep hookline.db in the working directory: mount a volume here.
WORKDIR /data
# Inside a container the loopback address would be reached by nobody.
ENV HOST=0.0.0.0
EXPOSE 8000
ENTRYPOINT ["hookline"]
