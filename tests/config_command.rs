//! `ringlet config edit`: the user's editor, on a copy.

use crate::common::world::World;

#[test]
fn the_editor_gets_a_copy_which_takes_the_files_place_if_it_is_right() {
    let mut world = World::new();
    let file = "home/.config/ringlet/config.toml";
    let before = world.read(file);
    world.program("adds", "#!/bin/sh\n[ \"$1\" = --wait ] && printf '[audit]\\nenabled = true\\n' >>\"$2\"\n");
    world.set("VISUAL", "adds --wait");
    world.set("EDITOR", "false");
    world.run(&["config", "edit"]).ok();
    let after = format!("{before}[audit]\nenabled = true\n");
    assert_eq!(world.read(file), after);
    // Now the table is there twice.
    world.run(&["config", "edit"]).fails(1, &["config.edited-", ".toml:5:2", "nothing was changed; your text is in"]);
    assert_eq!(world.read(file), after);
    world.unset("VISUAL");
    world.run(&["config", "edit"]).fails(1, &["false ended with", "nothing was changed"]);
    world.unset("EDITOR");
    world.run(&["config", "edit"]).fails(1, &["neither VISUAL nor EDITOR is set", "`ringlet config set KEY VALUE`"]);
}
