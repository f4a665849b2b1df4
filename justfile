# `just` lists what can be done here, `just NAME` does it. `cargo install just` brings it.

# list this
default:
    @just --list --unsorted

# the whole story on this machine, with a Stripe and an Adapty of our own
demo *ARGS:
    cargo run -- demo {{ ARGS }}

# the tests: rules, store and vendors, and the real program over real HTTP, on SQLite
test *ARGS:
    cargo test --workspace {{ ARGS }}

# what takes longer: PostgreSQL, many machines, Adapty's second API
test-slow:
    cargo test --workspace --features slow-tests --lib --test cluster --test it_on_postgres --test it_on_the_second_api --test it_on_many_machines

# formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# licenses, sources, bans and advisories of what is built in
deny:
    cargo deny --locked check

# the laws and the simulation of the core, at length
laws:
    GRANTSYNC_CASES=100000 GRANTSYNC_SEEDS=1000000 cargo test --release -p entitlement

# the program measured from outside, for example `just bench ingest`
bench *ARGS="--help":
    cargo bench -p daemon --bench whole -- {{ ARGS }}

# write what commands and saved cases print anew; read the difference
golden:
    UPDATE_CASES=1 cargo test -p entitlement cases
    UPDATE_GOLDEN=1 cargo test -p daemon --test it golden

# the admin API against its document, the files of `deploy` against the program
check-files:
    cargo build
    python3 tests/api/check.py --binary target/debug/grantsync
    python3 tests/deploy/check.py --binary target/debug/grantsync --postgres

# the program as it is installed, in target/dist
dist:
    cargo build --profile dist --locked

# all that must pass before a change lands
ci:
    .ci/run
