//! The `ringlet` command.

use ringlet::host::Host;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ringlet::run(Host::real()))
}
