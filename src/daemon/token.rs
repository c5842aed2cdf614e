//! The bearer token of the HTTP side: `http_token` beside config.toml, since the daemon needs it before anyone has
//! logged in. It gives no access to any key's value.
//!
//! A daemon makes a new one when it starts: 256 random bits as hexadecimal digits, in a file of mode 0600. A file that
//! others may read or write, or that holds anything else, is refused. It is replaced whole, so a reader sees the old
//! token or the new one.

use super::DaemonError;
use crate::platform;
use crate::platform::private::{self, Privacy};
use crate::secret::Secret;
use std::path::Path;

const DIGITS: usize = 64;

/// Reads the token; `None` without a file.
pub(crate) fn read(file: &Path) -> Result<Option<Secret>, DaemonError> {
    let refused = |why: String| DaemonError::Token { file: file.to_owned(), why };
    let read = private::read(file, 4096, Privacy::Unread).map_err(|why| refused(why.to_string()))?;
    let Some(bytes) = read else { return Ok(None) };
    let mut bytes = zeroize::Zeroizing::new(bytes);
    let length = bytes.trim_ascii_end().len();
    bytes.truncate(length);
    if length != DIGITS || !bytes.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(refused(format!("is not of {DIGITS} hexadecimal digits")));
    }
    Ok(Some(Secret::from(bytes)))
}

/// Replaces the token with a new one.
pub(crate) fn rotate(file: &Path) -> Result<Secret, DaemonError> {
    let folder = file.parent().expect("the token lies in the configuration folder");
    let token = Secret::fresh().map_err(DaemonError::io("make a token for", file))?;
    platform::create_private_folder(folder).map_err(DaemonError::io("create", folder))?;
    platform::replace_file(file, token.expose()).map_err(DaemonError::io("write", file))?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::same;

    #[test]
    fn a_token_is_replaced_by_another_each_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ringlet/http_token");
        assert!(read(&file).expect("no file is no error").is_none());
        let first = rotate(&file).expect("made");
        assert_eq!(first.len(), DIGITS);
        assert!(same(read(&file).expect("read").expect("there").expose(), first.expose()));
        let second = rotate(&file).expect("replaced");
        assert!(
            !same(second.expose(), first.expose())
                && same(read(&file).expect("read").expect("there").expose(), second.expose())
        );
        assert!(!same(second.expose(), b"") && !same(second.expose(), &second.expose()[1..]));
    }

    #[cfg(unix)]
    #[test]
    fn what_others_may_read_or_is_no_token_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("http_token");
        rotate(&file).expect("made");
        for mode in [0o604, 0o640, 0o620, 0o602] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("chmod");
            assert!(read(&file).is_err_and(|error| error.to_string().contains("open to others")), "{mode:o}");
        }
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("chmod");
        for text in ["", "short", &"g".repeat(DIGITS), &"a".repeat(DIGITS + 1)] {
            std::fs::write(&file, text).expect("written");
            assert!(read(&file).is_err_and(|error| error.to_string().contains("hexadecimal")), "{text}");
        }
    }
}
