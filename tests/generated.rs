//! `/completions`, `/man` and the book's page of commands: generated from the clap types, committed, compared here, and tried out.
//!
//! `UPDATE_GENERATED=1 cargo test --test integration generated` writes them anew.

use crate::common::pty::Terminal;
use crate::common::world::{KEY, World};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use ringlet::testing::Shell;
use ringlet::testing::{command_line, completion_script};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The date in the pages' footers: of the last change to what they say, not of the build, so that a build can be
/// repeated byte for byte.
const DATE: &str = "2026-11-22";

const SCRIPTS: [(Shell, &str); 5] = [
    (Shell::Bash, "ringlet.bash"),
    (Shell::Zsh, "_ringlet"),
    (Shell::Fish, "ringlet.fish"),
    (Shell::PowerShell, "ringlet.ps1"),
    (Shell::Nushell, "ringlet.nu"),
];

/// Compares what is committed in a folder with what is generated, file by file.
fn compare(folder: &str, made: &BTreeMap<String, String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let names = || fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        for stale in names().filter(|name| !made.contains_key(&*name.to_string_lossy())) {
            fs::remove_file(folder.join(stale)).expect("removed");
        }
        made.iter().for_each(|(name, text)| fs::write(folder.join(name), text).expect("written"));
    }
    let mut there: Vec<String> = names().map(|name| name.to_string_lossy().into_owned()).collect();
    there.sort();
    let again = "run `UPDATE_GENERATED=1 cargo test --test integration generated` and look at the difference";
    assert_eq!(there, made.keys().cloned().collect::<Vec<_>>(), "{again}");
    for (name, text) in made {
        assert!(fs::read_to_string(folder.join(name)).expect("text") == *text, "{name} is out of date; {again}");
    }
}

#[test]
fn the_committed_completions_are_what_ringlet_prints() {
    let world = World::bare();
    let made: BTreeMap<String, String> = SCRIPTS
        .iter()
        .map(|(shell, name)| ((*name).to_owned(), completion_script(*shell).expect("the script")))
        .collect();
    compare("completions", &made);
    for (shell, name) in SCRIPTS {
        assert_eq!(world.run(&["completions", shell.name()]).ok(), made[name]);
    }
}

#[test]
fn the_completions_pass_each_shells_own_check() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    for (shell, name) in &SCRIPTS[..3] {
        let checked =
            Command::new(shell.name()).env_clear().arg("-n").arg(folder.join(name)).output().expect("the shell");
        assert!(checked.status.success() && checked.stderr.is_empty(), "{shell}: {checked:?}");
    }
    let text = fs::read(folder.join("ringlet.ps1")).expect("the script");
    let mut parser = tree_sitter::Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).expect("the grammar fits the parser");
    let tree = parser.parse(&text, None).expect("parsing is not interrupted");
    assert!(!tree.root_node().has_error(), "{}", tree.root_node().to_sexp());
    assert!(text.is_ascii());
}

#[test]
fn the_committed_schemas_are_what_the_files_are_parsed_into() {
    let made = ringlet::testing::schema::schemas();
    compare("schema", &made.into_iter().map(|(name, text)| (format!("{name}.json"), text)).collect());
}

#[test]
fn the_committed_pages_are_what_the_command_line_says() {
    compare("man", &pages());
}

#[cfg(target_os = "linux")]
#[test]
fn the_pages_render_without_a_warning_and_can_be_found_by_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
    for name in pages().keys() {
        let page = folder.join(name);
        let output = Command::new("groff").args(["-man", "-Tutf8", "-ww"]).arg(&page).output().expect("Debian's groff");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // What `whatis` and `apropos` read.
        let line = Command::new("lexgrog").arg(&page).output().expect("lexgrog, of Debian's man-db");
        let line = String::from_utf8_lossy(&line.stdout).into_owned();
        assert!(line.contains(&format!("\"{} - ", name.trim_end_matches(".1"))), "{line}");
    }
}

#[test]
fn the_books_page_of_commands_has_the_help_of_each() {
    const BEGIN: &str = "<!-- commands: begin -->\n";
    const END: &str = "<!-- commands: end -->";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/commands.md");
    let text = fs::read_to_string(&file).expect("the page");
    let (before, rest) = text.split_once(BEGIN).expect("the page has a place for the commands");
    let (_, after) = rest.split_once(END).expect("the commands end");
    let mut command = command_line();
    command.build();
    let (mut table, mut helps) = ("| command | what it does |\n| --- | --- |\n".to_owned(), String::new());
    add_help(&command, 2, &mut table, &mut helps);
    let wanted = format!("{before}{BEGIN}{table}\n{helps}{END}{after}");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&file, &wanted).expect("written");
    }
    let again = "run `UPDATE_GENERATED=1 cargo test --test integration generated` and look at the difference";
    assert!(fs::read_to_string(&file).expect("the page") == wanted, "{} is out of date; {again}", file.display());
}

// A row of the table, and a heading with the help below it, for each command but hidden ones.
fn add_help(command: &clap::Command, level: usize, table: &mut String, helps: &mut String) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    *table += &format!("| [`{name}`](#{}) | {about} |\n", name.replace(' ', "-"));
    let mut asked = command_line().term_width(100);
    if level > 2 {
        // The options of every command stand once, at the top.
        asked = asked.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    }
    let help = asked.try_get_matches_from(name.split(' ').chain(["--help"])).expect_err("help ends the command line");
    let help = help.to_string();
    let lines: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    *helps += &format!("{} {name}\n\n```text\n{}\n```\n\n", "#".repeat(level.min(4)), lines.join("\n"));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add_help(sub, level + 1, table, helps);
    }
}

// One page for each command, hidden ones excepted.
fn pages() -> BTreeMap<String, String> {
    let mut command = command_line();
    command.build();
    let mut pages = BTreeMap::new();
    add_pages(&command, None, &mut pages);
    pages
}

fn add_pages(command: &clap::Command, parent: Option<&str>, pages: &mut BTreeMap<String, String>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.insert(format!("{name}.1"), page(command, parent));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add_pages(sub, Some(&name), pages);
    }
}

fn page(command: &clap::Command, parent: Option<&str>) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let usage = command.clone().render_usage().to_string();
    let mut shown = command.clone().override_usage(usage.trim_start_matches("Usage: ").to_owned());
    if parent.is_some() {
        // The options of every command stand once, on the main page.
        shown = shown.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
    }
    let man = Man::new(shown).title(name).section("1").date(DATE).manual("Ringlet Manual");
    let man = man.source(format!("ringlet {}", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    let out: &mut dyn std::io::Write = &mut text;
    man.render_title(out)
        .and_then(|()| man.render_name_section(out))
        .and_then(|()| man.render_synopsis_section(out))
        .and_then(|()| man.render_description_section(out))
        .and_then(|()| man.render_options_section(out))
        .expect("memory can be written to");
    let mut roff = Roff::new();
    if parent.is_some() {
        roff.control("PP", []);
        roff.text([roman("The options of every command are in "), bold("ringlet"), roman("(1).")]);
    }
    let subcommands: Vec<&clap::Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    if !subcommands.is_empty() {
        roff.control("SH", ["COMMANDS"]);
        for sub in subcommands {
            let name = sub.get_display_name().unwrap_or_else(|| sub.get_name());
            roff.control("TP", []).text([bold(name), roman("(1)")]);
            roff.text([roman(sub.get_about().map(ToString::to_string).unwrap_or_default())]);
        }
    }
    if let Some(more) = command.get_after_help() {
        after(&mut roff, &more.to_string());
    }
    status(&mut roff, name);
    if parent.is_none() {
        main_page_only(&mut roff);
    }
    roff.control("SH", ["SEE ALSO"]);
    match parent {
        Some(parent) => roff.text([bold(parent), roman("(1)")]),
        None => roff.text([roman("https://no-color.org, and the README")]),
    };
    text.extend(roff.to_roff().into_bytes());
    String::from_utf8(text).expect("text")
}

/// What stands below the help: lines that are indented there are examples, and keep their line ends here.
fn after(roff: &mut Roff, text: &str) {
    let begins = ["Example", "Start here"].iter().any(|word| text.starts_with(word));
    roff.control("SH", [if begins { "EXAMPLES" } else { "NOTES" }]);
    let text = if begins { text.trim_start_matches("Examples:\n").trim_start_matches("Example:\n") } else { text };
    let mut in_example = false;
    // The exit status has a section of its own.
    for line in text.lines().take_while(|line| !line.starts_with("Exit status")) {
        let is_example = line.starts_with("  ");
        if is_example != in_example {
            roff.control(if is_example { "EX" } else { "EE" }, []);
            in_example = is_example;
        }
        match line {
            "" => roff.control("PP", []),
            line => roff.text([roman(line)]),
        };
    }
    if in_example {
        roff.control("EE", []);
    }
}

fn table(roff: &mut Roff, rows: &[(&str, &str)]) {
    for (term, text) in rows {
        roff.control("TP", []).text([bold(*term)]).text([roman(*text)]);
    }
}

fn status(roff: &mut Roff, name: &str) {
    roff.control("SH", ["EXIT STATUS"]);
    match name {
        "ringlet-exec" | "ringlet-profiles-run" => {
            roff.text([roman("The agent's own, or")]);
            table(
                roff,
                &[
                    ("125", "Ringlet itself failed or refused; the agent was not started."),
                    ("126", "The agent cannot be executed."),
                    ("127", "The agent was not found."),
                ],
            );
        }
        _ => {
            let failed = match name {
                "ringlet-audit" | "ringlet-audit-verify" => "The command failed, or the log is not whole.",
                "ringlet-doctor" => "The command failed, or something is wrong.",
                _ => "The command failed; standard error says why and what to type next.",
            };
            table(
                roff,
                &[("0", "The command did what was asked."), ("1", failed), ("2", "The command line is wrong.")],
            );
        }
    }
}

fn main_page_only(roff: &mut Roff) {
    roff.control("SH", ["FILES"]);
    table(
        roff,
        &[
            ("~/.config/ringlet/config.toml", "The user's settings."),
            (
                "~/.config/ringlet/credentials.toml",
                "The file-backed store of keys, where there is no keychain. Refused unless it is private (mode 0600).",
            ),
            (
                "~/.config/ringlet/agents/*.toml, ~/.config/ringlet/providers/*.toml",
                "The user's own agents and providers.",
            ),
            ("~/.ringlet/profiles/NAME/ringlet.toml", "A profile: which key and settings an agent gets."),
            (".ringlet.toml", "In a project: which profile governs here. It does nothing until it is allowed."),
            ("~/.local/state/ringlet/", "Trust records, the audit log, and the links named after the agents."),
        ],
    );
    roff.control("SH", ["ENVIRONMENT"]);
    table(
        roff,
        &[
            ("XDG_CONFIG_HOME, XDG_STATE_HOME", "Where the files above lie, in place of ~/.config and ~/.local/state."),
            ("NO_COLOR", "Set to anything but nothing, turns colours off."),
            ("VISUAL, EDITOR", "The editor of ringlet profiles edit."),
        ],
    );
}

/// A world with two profiles, two keys and a `ringlet` on PATH.
fn completed_world() -> World {
    let world = World::ready();
    world.profile("personal", "agent = \"codex\"\nprovider = \"openai\"\n");
    world.store_key("openai/team-a", KEY);
    symlink(env!("CARGO_BIN_EXE_ringlet"), world.path("bin/ringlet")).expect("a link");
    world.write("home/.hushlogin", "");
    // Without this a first fish goes through all manual pages, in the background.
    for folder in [".local/share", ".cache"] {
        fs::create_dir_all(world.path("home").join(folder).join("fish/generated_completions")).expect("a folder");
    }
    world
}

fn interactive(world: &World, program: &str, options: &[&str]) -> Terminal {
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(world.env().iter().map(|(name, value)| (name, value)))
        .args(options)
        .current_dir(world.project());
    let mut terminal = Terminal::start(command);
    terminal.expect("R1NG> ");
    terminal
}

/// Types each line's start and TAB, and then has the shell print the words it made of it.
#[track_caller]
fn completes(mut terminal: Terminal, prints: &str) {
    for (typed, completed) in [
        ("ringlet prof", "ringlet profiles"),
        ("ringlet profiles inspect w", "ringlet profiles inspect work"),
        ("ringlet profiles run pers", "ringlet profiles run personal"),
        ("ringlet exec --profile pers", "ringlet exec --profile personal"),
        ("ringlet exec claud", "ringlet exec claude"),
        ("ringlet keychain set anthr", "ringlet keychain set anthropic"),
        ("ringlet keychain remove openai te", "ringlet keychain remove openai team-a"),
        ("ringlet audit --alias anthropic/w", "ringlet audit --alias anthropic/work"),
        ("ringlet keychain list openai/", "ringlet keychain list openai/team-a"),
        ("ringlet hook powers", "ringlet hook powershell"),
    ] {
        terminal.press(&format!("{typed}\t"));
        let (_, last) = completed.rsplit_once(' ').expect("two words");
        let (_, half) = typed.rsplit_once(' ').expect("two words");
        terminal.expect(&last[half.len()..]);
        terminal.ctrl('a');
        terminal.send(prints);
        let wanted: String = completed.split(' ').map(|word| format!("<{word}>")).collect();
        terminal.expect(&wanted);
        terminal.expect("R1NG> ");
    }
    // Nothing of a key is ever a candidate.
    assert!(!terminal.transcript().contains(&KEY[..12]), "{}", terminal.transcript());
}

const PRINTS: &str = "printf '<%s>' ";

fn committed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(name)
}

#[test]
fn bash_completes_names_live() {
    let world = completed_world();
    world.write("home/.bashrc", format!("PS1='R1NG> '; source {}", committed("ringlet.bash").display()));
    completes(interactive(&world, "bash", &["--noprofile", "-i"]), PRINTS);
}

#[test]
fn zsh_completes_names_live() {
    let world = completed_world();
    let load = format!("autoload -Uz compinit; compinit -u; source {}", committed("_ringlet").display());
    world.write("home/.zshrc", format!("unsetopt prompt_sp; PS1='R1NG> '; {load}"));
    completes(interactive(&world, "zsh", &["-d", "-i"]), PRINTS);
}

#[test]
fn zsh_completes_from_the_functions_path_at_the_first_tab() {
    let world = completed_world();
    let folder = committed("");
    let load = format!("fpath=({} $fpath); autoload -Uz compinit; compinit -u", folder.display());
    world.write("home/.zshrc", format!("unsetopt prompt_sp; PS1='R1NG> '; {load}"));
    completes(interactive(&world, "zsh", &["-d", "-i"]), PRINTS);
}

#[test]
fn fish_completes_names_live() {
    let world = completed_world();
    let prompt = "function fish_prompt; echo -n 'R1NG> '; end; set fish_greeting";
    world.write("home/.config/fish/config.fish", format!("{prompt}\nsource {}\n", committed("ringlet.fish").display()));
    completes(interactive(&world, "fish", &["-i"]), PRINTS);
}
