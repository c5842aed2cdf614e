//! `release/`: the checks before a program is shipped, the archives, and the files for package managers.

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

const TARGETS: [(&str, &str); 5] = [
    ("aarch64-apple-darwin", "tar.gz"),
    ("aarch64-unknown-linux-musl", "tar.gz"),
    ("x86_64-apple-darwin", "tar.gz"),
    ("x86_64-pc-windows-msvc", "zip"),
    ("x86_64-unknown-linux-musl", "tar.gz"),
];

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("release").join(name));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

// A checksum for each archive, and for one file that no template names.
fn example_sums() -> String {
    let line = |(number, (target, ending)): (usize, &(&str, &str))| {
        format!("{}  ringlet-1.2.3-{target}.{ending}\n", format!("{number:x}").repeat(64))
    };
    let archives: String = TARGETS.iter().enumerate().map(line).collect();
    archives + &format!("{}  ringlet_1.2.3-1_amd64.deb\n", "f".repeat(64))
}

// Runs release/fill with example values, some of them replaced.
fn fill(folder: &Path, sums: &str, replaced: &[(&str, &str)]) -> Output {
    let file = folder.join("SHA256SUMS");
    std::fs::write(&file, sums).expect("written");
    let mut values = vec![
        ("--version", "1.2.3"),
        ("--url", "https://example.org/ringlet/releases/download/v1.2.3/"),
        ("--homepage", "https://example.org/ringlet"),
        ("--publisher", "Example"),
        ("--maintainer", "Ada Example <ada@example.org>"),
    ];
    values.retain(|(option, _)| replaced.iter().all(|(other, _)| other != option));
    let mut command = script("fill");
    command.arg("--sums").arg(file).arg("--out").arg(folder.join("out"));
    for (option, value) in values.iter().chain(replaced) {
        command.args([option, value]);
    }
    command.output().expect("Python 3 is there")
}

fn assert_yaml(text: &str) {
    let mut depth = 0;
    for event in saphyr_parser::Parser::new_from_str(text) {
        match event.expect("it is YAML").0 {
            saphyr_parser::Event::MappingStart(..) | saphyr_parser::Event::SequenceStart(..) => depth += 1,
            saphyr_parser::Event::MappingEnd | saphyr_parser::Event::SequenceEnd => depth -= 1,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
}

#[test]
fn templates_are_filled_and_each_format_can_be_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = fill(folder.path(), &example_sums(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let made = String::from_utf8(output.stdout).expect("paths");
    let read =
        |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).expect("a file that was made");
    assert_eq!(made.lines().count(), 7, "{made}");
    let placeholder = regex_lite::Regex::new("@[A-Z0-9_]+@").expect("a pattern");
    for path in made.lines() {
        let text = std::fs::read_to_string(path).expect("text");
        assert!(placeholder.find(&text).is_none() && text.contains("1.2.3"), "{path}: {text}");
    }

    let scoop: serde_json::Value = serde_json::from_str(&read("scoop/ringlet.json")).expect("JSON");
    let archive = &scoop["architecture"]["64bit"];
    let address = "https://example.org/ringlet/releases/download/v1.2.3/ringlet-1.2.3-x86_64-pc-windows-msvc.zip";
    assert_eq!((archive["url"].as_str(), archive["hash"].as_str()), (Some(address), Some(&*"3".repeat(64))));
    // `$version` is Scoop's own.
    let next = scoop["autoupdate"]["architecture"]["64bit"]["url"].as_str().expect("an address");
    assert_eq!(next.replace("$version", "1.2.3"), address);

    for kind in ["", ".installer", ".locale.en-US"] {
        let text = read(&format!("winget/Example.Ringlet{kind}.yaml"));
        assert_yaml(&text);
        for line in ["PackageIdentifier: Example.Ringlet", "PackageVersion: \"1.2.3\"", "ManifestVersion: 1.12.0"] {
            assert!(text.lines().any(|there| there == line), "{kind} lacks {line}: {text}");
        }
    }

    let formula = folder.path().join("out/homebrew/ringlet.rb");
    match Command::new("ruby").arg("-c").arg(&formula).output() {
        Ok(checked) => assert!(checked.status.success(), "{}", said(&checked)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
    let text = read("homebrew/ringlet.rb");
    let mut checksums: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("sha256 ")).collect();
    checksums.sort_unstable();
    assert_eq!(checksums, ["0", "1", "2", "4"].map(|digit| format!("\"{}\"", digit.repeat(64))));
}

// As `makepkg --printsrcinfo` writes it; AUR refuses a package whose two files differ.
#[test]
fn srcinfo_says_what_pkgbuild_says() {
    const PRINT: &str = r#"
        . "$1"
        echo "pkgbase = $pkgname"
        for name in pkgdesc pkgver pkgrel url arch license optdepends provides conflicts options \
            source_x86_64 sha256sums_x86_64 source_aarch64 sha256sums_aarch64; do
          declare -n values=$name
          for value in "${values[@]}"; do printf '\t%s = %s\n' "$name" "$value"; done
        done
        printf '\npkgname = %s\n' "$pkgname"
    "#;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = fill(folder.path(), &example_sums(), &[]);
    assert!(output.status.success(), "{}", said(&output));
    let build = folder.path().join("out/aur/PKGBUILD");
    let checked = Command::new("bash").arg("-n").arg(&build).output().expect("bash is there");
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", said(&checked));
    let printed = Command::new("bash").args(["-c", PRINT, "bash"]).arg(&build).output().expect("bash is there");
    assert!(printed.status.success(), "{}", said(&printed));
    let info = std::fs::read_to_string(folder.path().join("out/aur/.SRCINFO")).expect("text");
    assert_eq!(String::from_utf8_lossy(&printed.stdout), info);
}

#[test]
fn wrong_values_and_checksums_fill_no_template() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = example_sums();
    let short = good.replacen("000", "00", 1);
    let upper = good.replacen("fff", "ffg", 1);
    let absent = good.replace("apple-darwin", "apple-ios");
    let twice = good.clone() + good.lines().next().expect("a line") + "\n";
    for (sums, replaced, says) in [
        (&short, ("--version", "1.2.3"), "is not 64 hex digits"),
        (&upper, ("--version", "1.2.3"), "is not 64 hex digits"),
        (&absent, ("--version", "1.2.3"), "ringlet-1.2.3-aarch64-apple-darwin.tar.gz has no checksum"),
        (&twice, ("--version", "1.2.3"), "has two checksums"),
        (&good, ("--version", "1.2.4"), "has no checksum"),
        (&good, ("--version", "1.2.3-rc.1"), "not the version of a release"),
        (&good, ("--url", "http://example.org/ringlet"), "not an https address"),
        (&good, ("--homepage", "https://example.org/a'b"), "not an https address"),
        (&good, ("--publisher", "Two Words"), "not a publisher's name"),
        (&good, ("--maintainer", "nobody\nrm -rf"), "not of the form"),
    ] {
        let output = fill(folder.path(), sums, &[replaced]);
        let said = said(&output);
        assert!(!output.status.success() && said.starts_with("release/fill: error: ") && said.contains(says), "{said}");
        assert!(!folder.path().join("out").exists(), "{says}");
    }
}

#[test]
fn a_template_with_another_set_of_placeholders_is_refused() {
    for (name, from, to, says) in [
        ("PKGBUILD.in", "@VERSION@", "1.2.3", "PKGBUILD.in lacks @VERSION@"),
        ("ringlet.json.in", "@VERSION@", "@VERSON@", "ringlet.json.in lacks @VERSION@"),
        ("ringlet.rb.in", "class", "@CLASS@", "ringlet.rb.in has the unknown placeholder @CLASS@"),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let templates = folder.path().join("templates");
        std::fs::create_dir(&templates).expect("made");
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/release/templates")).expect("the folder") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), templates.join(entry.file_name())).expect("copied");
        }
        let text = std::fs::read_to_string(templates.join(name)).expect("text");
        std::fs::write(templates.join(name), text.replace(from, to)).expect("written");
        let output = fill(folder.path(), &example_sums(), &[("--templates", templates.to_str().expect("text"))]);
        assert!(!output.status.success() && said(&output).contains(says), "{}", said(&output));
        assert!(!folder.path().join("out").exists());
    }
}

#[test]
fn archives_are_where_binstall_looks_and_can_be_made_again() {
    const LIST: &str = "import sys, tarfile, zipfile
archive = (zipfile.ZipFile if sys.argv[1].endswith('.zip') else tarfile.open)(sys.argv[1])
zipped = isinstance(archive, zipfile.ZipFile)
for member in archive.infolist() if zipped else archive.getmembers():
    name, mode = (member.filename, member.external_attr >> 16) if zipped else (member.name, member.mode)
    print(f'{mode & 0o777:o} {name}')
";
    let manifest: toml::Value =
        toml::from_str(include_str!("../Cargo.toml")).expect("Cargo.toml, which cargo has read");
    let metadata = &manifest["package"]["metadata"]["binstall"];
    let version = manifest["package"]["version"].as_str().expect("a version");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("ringlet");
    std::fs::write(&program, "the program").expect("written");
    let make = |target: &str, out: &str| {
        let out = folder.path().join(out);
        let output = script("archive").arg(&program).arg(target).arg(&out).output().expect("Python 3 is there");
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).expect("a path").trim_end().to_owned()
    };
    for (target, ending) in TARGETS {
        let of_target = metadata["overrides"].get(target).unwrap_or(metadata);
        let rendered = |key: &str| {
            let text = of_target[key].as_str().expect("a template");
            text.replace("{ repo }", "REPO").replace("{ version }", version).replace("{ target }", target)
        };
        let path = make(target, "first");
        let name = Path::new(&path).file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(rendered("pkg-url"), format!("REPO/releases/download/v{version}/{name}"));
        assert!(name.ends_with(&format!(".{ending}")));
        let listed = Command::new("python3").args(["-c", LIST, &path]).output().expect("Python 3 is there");
        let listed = String::from_utf8(listed.stdout).expect("text");
        assert_eq!(listed.lines().next(), Some(&*format!("755 {}", rendered("bin-dir"))));
        for file in
            ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "completions/_ringlet", "man/ringlet.1"]
        {
            let line = format!("644 ringlet-{version}-{target}/{file}");
            assert!(listed.lines().any(|listed| listed == line), "{line}: {listed}");
        }
        let again = make(target, "second");
        assert!(std::fs::read(path).expect("bytes") == std::fs::read(again).expect("bytes"), "{name}");
    }
}

#[test]
fn notes_are_the_versions_section_of_the_changelog() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("CHANGELOG.md");
    let text = "# Changelog\n\n## Unreleased\n\n## [1.2.3] - 2026-01-02\n\n### Added\n- One.\n\n## 1.2.30\n- Two.\n";
    std::fs::write(&file, text).expect("written");
    let notes = |version: &str| script("notes").arg(version).arg(&file).output().expect("it starts");
    assert_eq!(String::from_utf8_lossy(&notes("1.2.3").stdout), "### Added\n- One.\n");
    assert_eq!(String::from_utf8_lossy(&notes("1.2.30").stdout), "- Two.\n");
    for absent in ["Unreleased", "1.2"] {
        let output = notes(absent);
        assert!(
            !output.status.success() && said(&output).contains("has no section for"),
            "{absent}: {}",
            said(&output)
        );
    }
}
