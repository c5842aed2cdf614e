//! Files that cannot be read, and folders with many links.

use super::*;

#[test]
fn bad_files_are_named_and_never_loaded() {
    let world = World::new();
    let claude = usual("claude");
    let place = world.write(".claude/settings.json", "");
    let long = "k".repeat(40_000);
    let multiplied =
        format!("{{\"{long}\":{{{}}}}}", (0..6000).map(|at| format!("\"{at}\":0")).collect::<Vec<_>>().join(","));
    let (huge, deep, cut) =
        (" ".repeat(2 << 20), format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)), "{\"a\":");
    for content in [huge.as_str(), deep.as_str(), cut, multiplied.as_str(), "{\"a\"}\u{0}"] {
        fs::write(&place, content).expect("written");
        let said = world.says(&claude);
        assert!(!said.is_empty() && said.len() < 400, "{} bytes: {} bytes of text", content.len(), said.len());
    }
    fs::remove_file(&place).expect("removed");
    assert!(std::process::Command::new("mkfifo").arg(&place).status().expect("mkfifo runs").success());
    let said = world.says(&claude);
    assert!(said.contains("a FIFO, not a regular file"), "{said}");
    fs::remove_file(&place).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &place).expect("linked");
    assert!(world.says(&claude).contains("a device"), "{}", world.says(&claude));
    fs::remove_file(&place).expect("removed");
    std::os::unix::fs::symlink("nowhere", &place).expect("linked");
    assert!(world.says(&claude).contains("a symlink to nothing"), "what appears there later would be loaded");
}

#[test]
fn many_links_to_one_file_cost_one_look_at_it_and_too_many_are_refused() {
    let world = World::new();
    let opencode = usual("opencode");
    let big = world.write("big", vec![0; 8 << 20]);
    let folder = world.project().join(".opencode/plugins");
    fs::create_dir_all(&folder).expect("a folder");
    for at in 0..2000 {
        std::os::unix::fs::symlink(&big, folder.join(format!("p{at}.js"))).expect("linked");
    }
    // Each link counts as an entry, but the bytes of the file count once.
    assert!(world.says(&opencode).contains("would run beside"), "{}", world.says(&opencode));
    for at in 2000..21_000 {
        std::os::unix::fs::symlink(&big, folder.join(format!("p{at}.js"))).expect("linked");
    }
    assert!(world.says(&opencode).contains("more than 20000 files"), "{}", world.says(&opencode));
    // A link to its own folder is not followed again.
    let world = World::new();
    let file = world.write(".opencode/plugins/a.ts", "x");
    std::os::unix::fs::symlink(".", file.with_file_name("loop")).expect("linked");
    world.allow(file.parent().expect("a folder"));
    assert_eq!(world.says(&opencode), "");
}
