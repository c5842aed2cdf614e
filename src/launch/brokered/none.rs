//! On systems where the broker was not tried, no plan asks for it.

use super::LaunchError;
use super::Process;
use super::fetch::Given;
use crate::audit::LogPlace;
use crate::plan::{Broker, Context, LaunchPlan, ProfilePart};
use crate::secret::Key;
use std::io;

fn untried() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "it was not tried on this system")
}

/// Fails.
pub(super) fn start(
    _process: &mut Process,
    _plan: &LaunchPlan,
    _part: &ProfilePart,
    _broker: &Broker,
    _given: Given,
    _context: &Context<'_>,
    _recorded: Option<LogPlace>,
) -> Result<Key, LaunchError> {
    Err(LaunchError::Broker(untried()))
}

/// Fails.
pub(crate) fn serve(_agent: u32) -> io::Result<()> {
    Err(untried())
}
