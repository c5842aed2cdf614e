//! Ringlet on Windows. `tests/windows/run` runs these under Wine.

mod files;
mod launch;
mod shell;
mod world;
