//! `ringlet hand-over`: what an agent runs to be given the key of its launch.

use crate::failure::Failure;
use crate::launch;
use std::io::{self, IsTerminal};
use std::path::Path;

/// Prints the key to whoever has started this command, or holds it until it is asked for.
pub(super) fn run(of: Option<u32>, socket: &Path) -> Result<i32, Failure> {
    if let Some(agent) = of {
        launch::serve(agent, socket).map_err(|error| Failure::new(format!("the key cannot be held: {error}")))?;
        return Ok(0);
    }
    let mut out = io::stdout();
    if out.is_terminal() {
        return Err(Failure::usage("a key is never shown").hint("the agent runs this command by itself"));
    }
    launch::ask(socket, &mut out)?;
    Ok(0)
}

/// Holds the key of a launch and adds it to the agent's requests.
pub(super) fn serve_broker(of: u32) -> Result<i32, Failure> {
    launch::serve_broker(of).map_err(|error| Failure::new(format!("the broker cannot run: {error}")))?;
    Ok(0)
}

#[cfg(all(test, unix))]
mod tests {
    use crate::host::testing::Home;

    #[test]
    fn without_a_launch_there_is_no_key() {
        let home = Home::new();
        let ran = home.run(&["hand-over", "nowhere/socket"]);
        assert!(ran.status != 0 && ran.out.is_empty(), "{ran:?}");
    }
}
