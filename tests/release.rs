//! The checks that `release/build` makes before a program is shipped.

use std::path::Path;
use std::process::{Command, Output};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/release/build");

// Compiles a C program and has the script look at it.
fn check(folder: &Path, body: &str, flags: &[&str]) -> Output {
    let (source, program) = (folder.join("program.c"), folder.join("program"));
    let headers = "#include <grp.h>\n#include <netdb.h>\n#include <pwd.h>\n#include <stddef.h>\n";
    std::fs::write(&source, format!("{headers}int main(void) {{ {body} }}\n")).expect("written");
    let compiled = Command::new("gcc").args(flags).arg("-o").arg(&program).arg(&source).output().expect("gcc starts");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    Command::new(SCRIPT).arg("--check").arg(program).output().expect("it starts")
}

#[test]
fn a_program_that_asks_for_accounts_or_hosts_is_not_shipped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (body, names) in [
        ("return getpwuid(0) != NULL;", "getpwuid"),
        ("struct passwd e, *f; char b[99]; return getpwuid_r(0, &e, b, sizeof b, &f);", "__getpwuid_r"),
        ("return getgrgid(0) != NULL;", "getgrgid"),
        ("struct addrinfo *f; return getaddrinfo(\"localhost\", NULL, NULL, &f);", "getaddrinfo"),
    ] {
        let output = check(folder.path(), body, &["-static-pie"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{body}");
        assert!(said.starts_with("release/build: error: ") && said.contains(names), "{said}");
    }
}

// glibc has no function of the second name, by which musl reads resolv.conf.
#[test]
fn a_program_with_the_resolver_of_musl_is_shipped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (functions, is_shipped) in [
        ("int getaddrinfo(void) { return 0; } int __get_resolv_conf(void) { return 0; }", true),
        ("int getaddrinfo(void) { return 0; }", false),
    ] {
        let (source, program) = (folder.path().join("program.c"), folder.path().join("program"));
        std::fs::write(&source, format!("{functions} int main(void) {{ return getaddrinfo(); }}\n")).expect("written");
        let compiled = Command::new("gcc").arg("-static-pie").arg("-o").arg(&program).arg(&source).output();
        let compiled = compiled.expect("gcc starts");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let output = Command::new(SCRIPT).arg("--check").arg(program).output().expect("it starts");
        assert_eq!(output.status.success(), is_shipped, "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_program_is_shipped_static_with_random_addresses_and_looked_at_before_it_is_stripped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = check(folder.path(), "return 0;", &["-static-pie"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (flags, says) in [
        (&["-static", "-no-pie"][..], "is not position-independent"),
        (&["-pie"], "is linked dynamically"),
        (&["-static-pie", "-s"], "has no symbols left to look at"),
    ] {
        let output = check(folder.path(), "return 0;", flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{said}");
    }
}
