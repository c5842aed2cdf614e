//! Windows tells no other process about these things.

/// Reports whether `wanted` accepts any variable of the environment that a process was started with; `None` where the
/// system does not say. A process that has ended has no variables. What was read is wiped, since it may hold a key.
pub(crate) fn environment_of(_pid: u32, _wanted: &mut dyn FnMut(&str, &[u8]) -> bool) -> Option<bool> {
    None
}

/// Reports whether at least so many processes stand above this one; not known here.
pub(crate) fn has_ancestors(_: usize) -> bool {
    false
}

/// Windows has no such groups; what the process starts is left to it.
pub(super) fn set_group(_command: &mut std::process::Command) {}

/// Ends a process.
pub(super) fn end_group(child: &mut std::process::Child) {
    let _ = child.kill();
}

/// No process closes itself to others on this system.
pub(crate) fn sees_closed_processes() -> bool {
    false
}
