//! Programs that run any code they are given: interpreters, emulators, the dynamic loader. A registration of one alone
//! would let every script in. So a script is registered with its interpreter, and an interpreter alone is refused.
//!
//! They are known by name. Under another name they are known by content: as a copy of one in the folders of programs,
//! or of one that the kernel starts for foreign programs (binfmt_misc). A copy of one that is nowhere else on this
//! machine is not recognised. Called by `registrations` and `identity`.

use super::policy::Program;
use crate::digest::Digest;
use crate::platform;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders that hold them whatever PATH says. The dynamic loader is in the last ones.
const USUAL: &[&str] =
    &["/usr/local/bin", "/usr/bin", "/bin", "/lib64", "/lib", "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"];

/// Reports whether a program is an interpreter, by its name or as a copy of one. `search` has the folders of programs.
pub(super) fn is_known(program: &Program, search: Option<&OsStr>) -> bool {
    is_interpreter(&program.path) || is_copy(program, &known(search))
}

// Only files of the same size are hashed.
fn is_copy(program: &Program, known: &[PathBuf]) -> bool {
    let Ok(meta) = fs::metadata(&program.path) else { return false };
    known.iter().any(|path| {
        let same_size = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == meta.len());
        let digest = || Digest::of_reader(platform::open_file(path).ok()?.file).ok();
        same_size && (platform::same_file(path, &program.path) || digest() == Some(program.hash.0))
    })
}

fn known(search: Option<&OsStr>) -> Vec<PathBuf> {
    let named = search.map(std::env::split_paths).into_iter().flatten().filter(|folder| folder.is_absolute());
    let folders: Vec<PathBuf> = named.chain(USUAL.iter().map(PathBuf::from)).collect();
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_interpreter(path)).collect();
    // Documentation/admin-guide/binfmt-misc.rst of Linux: a file for each kind of program.
    let kinds = fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    found.extend(kinds.filter_map(|kind| started_for(&fs::read_to_string(kind.path()).ok()?)));
    found
}

// The line of such a file that names the program.
fn started_for(kind: &str) -> Option<PathBuf> {
    kind.lines().find_map(|line| line.strip_prefix("interpreter ")).map(PathBuf::from)
}

/// Reports whether a program is an interpreter by its name.
pub(super) fn is_interpreter(program: &Path) -> bool {
    const NAMES: &[&str] = &[
        "ash",
        "awk",
        "bash",
        "bun",
        "busybox",
        "csh",
        "dash",
        "deno",
        "dotnet",
        "elvish",
        "emacs",
        "env",
        "expect",
        "fish",
        "gawk",
        "gdb",
        "guile",
        "irb",
        "java",
        "jshell",
        "julia",
        "ksh",
        // The dynamic loader runs any program that it is given.
        "ld",
        "lldb",
        "lua",
        "luajit",
        "mawk",
        "mksh",
        "node",
        "nodejs",
        "nu",
        "nvim",
        "osascript",
        "perl",
        "php",
        "powershell",
        "pwsh",
        "pypy",
        "python",
        "python3",
        "R",
        "Rscript",
        "ruby",
        "sh",
        "tclsh",
        "tcsh",
        "tsx",
        "uv",
        "vim",
        "beam.smp",
        "box32",
        "box64",
        "box86",
        "clisp",
        "dart",
        "ecl",
        "electron",
        "erl",
        "erlexec",
        "escript",
        "FEXInterpreter",
        "FEXLoader",
        "ghc",
        "gjs",
        "gjs-console",
        "gsi",
        "janet",
        "moar",
        "mono",
        "mono-sgen",
        "ocaml",
        "ocamlrun",
        "octave",
        "octave-cli",
        "octave-gui",
        "qemu",
        "qjs",
        "racket",
        "rosetta",
        "sbcl",
        "scheme",
        "swipl",
        "wine",
        "wine64",
        "wine-preloader",
        "wine64-preloader",
        "wish",
        "xonsh",
        "zsh",
    ];
    const OF_WINDOWS: &[&str] =
        &["cmd", "cscript", "javaw", "mshta", "py", "pythonw", "regsvr32", "rundll32", "wscript", "wsl"];
    let Some(name) = program.file_name().and_then(|name| name.to_str()) else { return false };
    // File names there do not depend on case.
    let (more, is_same): (_, fn(&str, &str) -> bool) =
        if cfg!(windows) { (OF_WINDOWS, str::eq_ignore_ascii_case) } else { (&[] as &[_], |a, b| a == b) };
    let name = match name.rsplit_once('.') {
        Some((name, kind)) if is_same(kind, "exe") => name,
        _ => name,
    };
    // `python3.11`, `lua5.4`, `ruby2.7`, `vim.basic`, `perl5.36-x86_64-linux-gnu`
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
    let stem = name.split(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-')).next().unwrap_or(name);
    [name, bare, stem].iter().any(|spelling| NAMES.iter().chain(more).any(|name| is_same(spelling, name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::policy::Hash;

    #[test]
    fn a_renamed_copy_is_known_by_its_content() {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        let at = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::write(&path, content).expect("written");
            Program { hash: Hash(Digest::of(content.as_bytes())), path }
        };
        at("bin/python3.99", "an interpreter");
        at("bin/other", "a plain tool..");
        let search = Some(bin.as_os_str());
        for (name, content, is_one) in [
            ("tool", "an interpreter", true),
            ("same-size", "a plain tool..", false),
            ("longer", "an interpreter's", false),
            ("python3", "anything", true),
        ] {
            assert_eq!(is_known(&at(name, content), search), is_one, "{name}");
        }
        fs::hard_link(bin.join("python3.99"), folder.path().join("linked")).expect("a link");
        let linked = Program { path: folder.path().join("linked"), hash: Hash(Digest::of(b"not looked at")) };
        assert!(is_known(&linked, search));
    }

    #[test]
    fn what_the_kernel_starts_for_foreign_programs_is_read_from_its_list() {
        let kind =
            "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\nmagic 7f454c46\n";
        assert_eq!(started_for(kind), Some("/usr/libexec/qemu-binfmt/aarch64-binfmt-P".into()));
        assert_eq!(started_for("enabled\n"), None);
    }

    #[test]
    fn interpreters_are_known_by_their_names() {
        for name in [
            "python3",
            "python3.11",
            "node",
            "nodejs",
            "bash",
            "dash",
            "perl",
            "perl5.36.0",
            "ruby3.1",
            "lua5.4",
            "php8.2",
            "pwsh",
            "busybox",
            "env",
            "vim.basic",
            "python3.11-config",
            "node.exe",
            "qemu-x86_64-static",
            "qemu-aarch64",
            "box64",
            "beam.smp",
            "mono",
            "gjs-console",
            "electron",
            "electron28",
            "octave-cli-8.4.0",
            "dart",
        ] {
            assert!(is_interpreter(&Path::new("/usr/bin").join(name)), "{name}");
        }
        for name in ["nc", "nc.openbsd", "claude", "nodemon-like", "shellcheck", "pythonic", "your-tool", "rg", "R2"] {
            assert_eq!(is_interpreter(&Path::new("/usr/bin").join(name)), name == "R2", "{name}");
        }
        for name in ["Python.EXE", "cmd.exe", "py.exe", "PowerShell.exe"] {
            assert_eq!(is_interpreter(Path::new(name)), cfg!(windows), "{name}");
        }
    }
}
