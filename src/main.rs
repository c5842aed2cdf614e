//! The `ringlet` command.

use ringlet::host::Host;

#[allow(clippy::exit, reason = "the one place where the process ends; exit codes of Windows are wider than ExitCode")]
fn main() {
    std::process::exit(ringlet::run(Host::real()))
}
