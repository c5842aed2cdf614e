# Recipes for work on Ringlet. CONTRIBUTING.md describes them.

# List the recipes
default:
    @just --list

# Run all tests, or those whose name holds a word; installs what they need
test *filter:
    tests/run {{ filter }}

# Check format, lints and shell scripts
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    shellcheck tests/run tests/windows/run tests/agents/run tests/agents/logins tests/agents/readers/run tests/agents/readers/compare fuzz/run demo/run release/build .ci/run

# Write completions, manual pages and the book's tables anew
generated:
    UPDATE_GENERATED=1 cargo test --locked --test integration generated
    UPDATE=1 cargo test --locked --test integration architecture
    UPDATE=1 cargo test --locked --lib the_page_has_the_table

# Write the transcripts of help and messages anew
transcripts:
    UPDATE_TRANSCRIPTS=1 cargo test --locked --test integration transcripts

# Write what the book's sessions print into the pages
sessions:
    UPDATE_BOOK=1 cargo test --locked --test integration book

# Draw the README's picture anew
picture:
    docs/picture

# Build the book into docs/book
docs:
    mdbook build docs

# Fuzz each parser, or one
fuzz seconds="60" *targets:
    fuzz/run {{ seconds }} {{ targets }}

# Measure
bench *rows:
    bench/run {{ rows }}
