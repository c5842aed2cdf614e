//! The attributes of items: which of them belong to the keychains themselves.

/// Reports whether keychains and their libraries set an attribute of this name themselves, so that no client may.
pub(crate) fn is_reserved(name: &str) -> bool {
    const RESERVED: &[&str] = &["service", "username", "target", "application", "xdg:schema"];
    RESERVED.contains(&name) || name.starts_with("gkr:")
}
