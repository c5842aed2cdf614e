//! The user's editor, on a copy of a file of Ringlet's.

use crate::config::Source;
use crate::failure::Failure;
use crate::hint::Hint;
use crate::host::Host;
use crate::platform;
use std::path::Path;

/// Opens the editor on a copy of a text, and hands the copy's path and its new text over. A mistake so never replaces a
/// file that works: where the new text is refused, the copy stays. `instead` is the hint where no editor is named.
pub(super) fn edit(
    host: &Host,
    file: &Path,
    text: &str,
    instead: Hint,
    take: impl FnOnce(&Path, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| host.world.env.non_empty(name));
    let Some(editor) = editor.and_then(|editor| editor.to_str()) else {
        let instead = instead.and(format!(", or edit {}", file.display()));
        return Err(Failure::new("neither VISUAL nor EDITOR is set").hint(instead));
    };
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let folder = file.parent().unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| Failure::io("written", folder, &error);
    platform::create_private_folder(folder).map_err(failed)?;
    // A name that no other edit has, so that a text that was refused stays.
    let made = tempfile::Builder::new().prefix(&format!("{name}.edited-")).suffix(".toml").tempfile_in(folder);
    let (_, copy) = made.and_then(|made| Ok(made.keep()?)).map_err(failed)?;
    std::fs::write(&copy, text).map_err(failed)?;
    let done = edited(editor, file, text, &copy, take);
    // A copy that holds nothing new need not stay.
    let is_new = std::fs::read(&copy).is_ok_and(|now| now != text.as_bytes());
    if done.is_err() && is_new {
        return done
            .map_err(|failure| failure.hint(format!("nothing was changed; your text is in {}", copy.display())));
    }
    let removed = std::fs::remove_file(&copy).map_err(|error| Failure::io("removed", &copy, &error));
    done.and(removed)
}

fn edited(
    editor: &str,
    file: &Path,
    text: &str,
    copy: &Path,
    take: impl FnOnce(&Path, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut words = editor.split_ascii_whitespace();
    let program = words.next().ok_or_else(|| Failure::new("EDITOR is blank"))?;
    let status = std::process::Command::new(program).args(words).arg(copy).status();
    let status = status.map_err(|error| Failure::new(format!("{program}: cannot be started: {error}")))?;
    if !status.success() {
        return Err(Failure::new(format!("{program} ended with {status}; nothing was changed")));
    }
    let edited = Source::read(copy)?.map(|source| source.text).unwrap_or_default();
    // Nothing that was written meanwhile is lost.
    let now = Source::read(file)?.map(|source| source.text).unwrap_or_default();
    if now != text {
        return Err(Failure::new(format!("{} has changed meanwhile", file.display())));
    }
    take(copy, &edited)
}
