//! Where no key is handed over: nothing there names the process that asks as exactly as Linux does.

use super::HandOverError;
use crate::paths::Paths;
use crate::secret::Key;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(super) fn offer(_: &Paths, _: &Path, _: &Key) -> io::Result<PathBuf> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Holds no key.
pub(crate) fn serve(_: u32, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Has nothing to give.
pub(crate) fn ask(_: &Path, _: &mut impl Write) -> Result<(), HandOverError> {
    Err(HandOverError::Gone)
}
