//! What the integration tests and the fuzz targets need of the library. No program may use it.

pub use crate::audit::Log;
pub use crate::commands::{complete_command, completion_script};
pub use crate::config::Settings;
pub use crate::daemon::Run;
pub use crate::daemon::check::{decision, line};
pub use crate::daemon::door::{Door, Setup};
pub use crate::daemon::http::{Window, serve as serve_http};
pub use crate::daemon::identity::Hashes;
pub use crate::daemon::live::Live;
pub use crate::daemon::roster::{Permissions, Roster};
pub use crate::daemon::server::{Limits, serve};
pub use crate::env::Env;
pub use crate::guard::read::{MAX_DEPTH, MAX_ENTRIES, Reader, Unread, Value, read};
pub use crate::paths::Paths;
#[cfg(unix)]
pub use crate::platform::has_listener;
pub use crate::platform::{Lock, LockError, lock_file, raise_file_limit};
pub use crate::shell::{Hook, Shell, ShellError, quote, render, render_completion};
pub use crate::store::items::Items;
#[cfg(target_os = "linux")]
pub use crate::store::secret_service::{Options, Prompt, SecretService, ServiceError, Status};
