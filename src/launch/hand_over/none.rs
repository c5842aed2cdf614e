//! Where no key is handed over: nothing there names the process that asks as exactly as Linux does.

use crate::paths::Paths;
use crate::secret::Key;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) fn offer(_: &Paths, _: &Path, _: &Key) -> io::Result<PathBuf> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Holds no key.
pub fn serve(_: u32, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Why a key was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// There is none.
    #[error("the key of this launch was given already, or the launch has ended")]
    Gone,
    /// Somebody answers, and gives nothing.
    #[error("the key is given to the agent of its launch alone")]
    Refused,
    /// The system's error.
    #[error("the key cannot be handed over: {0}")]
    Io(#[from] io::Error),
}

/// Has nothing to give.
pub fn ask(_: &Path, _: &mut impl Write) -> Result<(), HandOverError> {
    Err(HandOverError::Gone)
}
