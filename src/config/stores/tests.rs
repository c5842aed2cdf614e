//! The tables of stores, right and wrong.

use super::*;
use crate::config::Settings;
use crate::config::presets::PRESETS;
use crate::env::Env;
use crate::paths::Paths;

fn read(text: &str) -> Result<Stores, ConfigError> {
    let paths = Paths::new(&Env::from_pairs([("HOME", "/h"), ("USERPROFILE", "C:\\h")])).expect("home");
    let source = Source { file: "c".into(), text: text.into(), access: None };
    Settings::parse(&source, &paths).map(|settings| settings.stores)
}

fn key(name: &str) -> KeyName {
    name.parse().expect("a key")
}

fn refused(text: &str) -> String {
    let error = read(text).expect_err(text);
    assert!(error.at.is_some_and(|(line, _)| line > 0), "no line of the file is named: {error}");
    let hint = error.hint.as_ref().map(|hint| format!("{:?}", hint.pieces())).unwrap_or_default();
    format!("{error} {hint}")
}

#[test]
fn a_keys_own_rule_comes_before_its_providers() {
    let stores = read(
        "[store.team]\npreset = \"pass\"\n[store-for.anthropic]\nstore = \"team\"\n\
         [store-for.\"anthropic/home\"]\nstore = \"file\"\n",
    )
    .expect("right");
    let named = |name: &str| stores.named_for(&key(name)).map(|name| name.to_string());
    assert_eq!(named("anthropic/work").as_deref(), Some("team"));
    assert_eq!(named("anthropic/home").as_deref(), Some("file"));
    assert_eq!(named("openai/work"), None);
    assert_eq!(stores.rule(&key("anthropic/home")).map(|rule| rule.line), Some(5));
    assert_eq!(stores.keys_of(&Kept::In(Backend::File)).into_iter().collect::<Vec<_>>(), [key("anthropic/home")]);
    assert!(stores.keys_of(&Kept::Named("team".parse().expect("a name"))).is_empty());
}

#[test]
fn what_is_put_into_a_command_is_not_looked_at_again() {
    let text = "[store.own]\nget = [\"prog\", \"{provider}-{ALIAS}\", \"{}\", \"a{\", \"{\\\"x\\\": 1}\"]\n";
    let stores = read(text).expect("right");
    let StoreKind::Command(spec) = &stores.specs.values().next().expect("one").kind else { panic!("a command") };
    let filled: Vec<String> = spec.get.iter().map(|word| spec.filled(word, Some(&key("a.b/c-d")), &|_| None)).collect();
    assert_eq!(filled, ["prog", "a.b-C-D", "{}", "a{", "{\"x\": 1}"]);
    let dashed = CommandSpec { spelling: Spelling::Dashes, ..(**spec).clone() };
    assert_eq!(dashed.filled("{provider}/{alias}", Some(&key("a.b/c_d")), &|_| None), "a-b/c-d");
    let given = |name: &str| (name == "DIR").then(|| "/{alias}".to_owned());
    assert_eq!(spec.filled("{DIR}/{alias}{DB}", Some(&key("a/x")), &given), "/{alias}/x{DB}");
}

#[test]
fn each_preset_can_be_named_with_what_it_needs_and_without_it_is_refused() {
    for preset in PRESETS {
        let value = |parameter: &crate::config::presets::Parameter| match parameter.is_path {
            true => format!("{} = \"~/x\"\n", parameter.name),
            false => format!("{} = \"x\"\n", parameter.name),
        };
        let given: String = preset.parameters.iter().map(value).collect();
        let table = format!("[store.a]\npreset = \"{}\"\n", preset.name);
        let stores = read(&format!("{table}{given}")).expect(preset.name);
        let spec = stores.specs.values().next().expect("one");
        assert!(spec.programs().iter().all(|program| program == preset.get[0]), "{}", preset.name);
        assert_eq!(spec.timeout, preset.seconds.map(Duration::from_secs));
        if preset.parameters.iter().any(|parameter| parameter.default.is_none()) {
            assert!(refused(&table).contains("needs"), "{}", preset.name);
        }
    }
}

#[test]
fn a_table_that_says_nothing_or_too_much_is_refused_with_its_line() {
    for (text, said) in [
        ("[store.a]\n", "does not say what the store is"),
        ("[store.a]\npreset = \"pass\"\nget = [\"x\"]\n", "not both"),
        ("[store.a]\npreset = \"pas\"\n", "did you mean `pass`"),
        ("[store.a]\npreset = \"security\"\n", "store = \\\"system\\\""),
        ("[store.a]\npreset = \"pass\"\nset = [\"x\"]\n", "`set` does not go with `preset`"),
        ("[store.a]\npreset = \"pass\"\nVAULT = \"x\"\n", "has no VAULT"),
        ("[store.a]\npreset = \"keepassxc-cli\"\nDB = \"x.kdbx\"\nKEYFILE = \"~/k\"\n", "x.kdbx"),
        ("[store.a]\nget = []\n", "has no program"),
        ("[store.a]\nget = [\"x\", \"{aliass}\"]\n", "{alias}"),
        ("[store.a]\nget = [\"./x\"]\n", "./x"),
        ("[store.a]\nget = [\"{alias}\"]\n", "not chosen by a key's name"),
        ("[store.a]\nget = [\"x\", \"a\\u0000b\"]\n", "NUL"),
        ("[store.a]\nget = [\"x\", \"{alias}\"]\nlist = [\"x\", \"{provider}\"]\n", "run for no key"),
        ("[store.a]\nget = [\"x\"]\ndecode = \"hex\"\n", "base64"),
        ("[store.a]\nget = [\"x\"]\ntimeout = 0\n", "from 0.05 to 600"),
        ("[store.a]\nhelper = \"../x\"\n", "docker-credential-NAME"),
        ("[store.a]\nhelper = \"pass\"\ninteractive = true\n", "does not go with `helper`"),
        ("[store.system]\npreset = \"pass\"\n", "Ringlet's own"),
        ("[store.A]\npreset = \"pass\"\n", "upper-case"),
        ("[store.a]\npreset = \"pass\"\nunknown = 1\n", "unknown"),
        ("[store.a]\npreset = \"vault\"\n", "write `address"),
        ("[store.a]\naddress = \"https://v.example\"\n", "how to log in"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nrole-id = \"r\"\n", "in two ways"),
        ("[store.a]\naddress = \"https://v.example\"\nrole-id = \"r\"\n", "how to log in"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken = \"t\"\n", "vault/token"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken = \"a/b\"\ntoken-file = \"~/t\"\n", "not both"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"t\"\n", "t"),
        ("[store.a]\naddress = \"https://v.example/v1\"\ntoken-file = \"~/t\"\n", "a server alone"),
        ("[store.a]\naddress = \"http://v.example.com\"\ntoken-file = \"~/t\"\n", "unencrypted"),
        ("[store.a]\naddress = \"http://10.0.0.1:8200\"\ntoken-file = \"~/t\"\n", "allow-http"),
        ("[store.a]\naddress = \"https://u:p@v.example\"\ntoken-file = \"~/t\"\n", "user name"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nkv = 3\n", "the versions 1 and 2"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nmount = \"../x\"\n", "no path"),
        ("[store.a]\naddress = \"https://v.example\"\ntoken-file = \"~/t\"\nset = [\"x\"]\n", "does not go with"),
        ("[store.a]\npreset = \"pass\"\nmount = \"x\"\n", "`mount` does not go with `preset`"),
        (
            "[store.a]\npreset = \"pass\"\n[store-for.\"openai/a\"]\nstore = \"a\"\nfield = \"x\"\n",
            "no paths and fields",
        ),
        ("[store-for.anthropic]\nstore = \"team\"\n", "there is no [store.team]"),
        ("[store.team]\npreset = \"pass\"\n[store-for.anthropic]\nstore = \"taem\"\n", "did you mean `team`"),
        ("[store-for.\"anthropic/a/b\"]\nstore = \"file\"\n", "anthropic"),
        ("[store-for.anthropic]\n", "store"),
    ] {
        let told = refused(text);
        assert!(told.contains(said), "{text:?}: {told}");
    }
}

#[test]
fn a_server_of_vault_has_an_address_and_one_way_to_log_in() {
    let table = |rest: &str| format!("[store.v]\naddress = \"https://v.example:8200/\"\n{rest}");
    let spec = |text: &str| match read(text).expect(text).specs.remove(&"v".parse().expect("a name")) {
        Some(StoreSpec { kind: StoreKind::Vault(spec), .. }) => *spec,
        other => panic!("{other:?}"),
    };
    let plain = spec(&table("token-file = \"~/.vault-token\"\n"));
    assert_eq!((plain.address.as_str(), plain.mount.as_str(), plain.kv), ("https://v.example:8200", "secret", 2));
    let at = plain.secret(&key("anthropic/work"), None);
    assert_eq!((at.path.as_str(), at.field.as_str()), ("secret/data/ringlet/anthropic/work", "key"));
    let first = spec(&table("token = \"vault/token\"\nkv = 1\nmount = \"team/kv\"\nnamespace = \"a/b\"\n"));
    assert_eq!(first.login, VaultLogin::Token(Credential::Key(key("vault/token"))));
    assert_eq!(first.secret(&key("a/b"), None).path, "team/kv/ringlet/a/b");
    assert_eq!(first.below("metadata", "/a"), "team/kv/ringlet/a");
    let role = spec(&table("role-id = \"r\"\nsecret-id = \"vault/sid\"\nauth-mount = \"ci\"\n"));
    assert!(matches!(role.login, VaultLogin::AppRole { mount, .. } if mount == "ci"));
    // A private network, where that is said.
    let near = "[store.v]\naddress = \"http://10.0.0.1:8200\"\nallow-http = true\ntoken-file = \"~/t\"\n";
    assert_eq!(spec(near).address, "http://10.0.0.1:8200");
    let rules = table("token-file = \"~/t\"\n")
        + "[store-for.\"openai/a\"]\nstore = \"v\"\npath = \"/secret/data/x\"\nfield = \"f\"\n";
    let stores = read(&rules).expect("right");
    let at = plain.secret(&key("openai/a"), stores.rule(&key("openai/a")));
    assert_eq!((at.path.as_str(), at.field.as_str()), ("secret/data/x", "f"));
    assert_eq!(stores.keys_with_paths(&"v".parse().expect("a name")), [key("openai/a")]);
    let same = "[store-for.\"openai/b\"]\nstore = \"v\"\npath = \"secret/data/x\"\nfield = \"f\"\n";
    assert!(refused(&format!("{rules}{same}")).contains("would be the same entry"));
    let all = "[store-for.groq]\nstore = \"v\"\npath = \"secret/data/x\"\n";
    assert!(refused(&format!("{rules}{all}")).contains("every key of groq"));
    assert!(refused(&format!("{rules}{}", all.replace("secret/data", "v1/secret"))).contains("below /v1"));
}

#[test]
fn two_keys_that_are_one_entry_of_the_tool_are_refused() {
    let two = |one: &str, other: &str, store: &str| {
        format!("[store.s]\n{store}\n[store-for.\"{one}\"]\nstore = \"s\"\n[store-for.\"{other}\"]\nstore = \"s\"\n")
    };
    let dashed = "preset = \"gcloud\"";
    assert!(refused(&two("openai/a.b", "openai/a_b", dashed)).contains("would be the same entry"));
    assert!(read(&two("openai/a.b", "openai/ac", dashed)).is_ok());
    let fixed = "get = [\"cat\", \"/key\"]";
    assert!(refused(&two("openai/a", "openai/b", fixed)).contains("would be the same entry"));
    assert!(read(&format!("[store.s]\n{fixed}\n[store-for.\"openai/a\"]\nstore = \"s\"\n")).is_ok());
    for command in ["set = [\"x\", \"{alias}\"]", "remove = [\"x\"]"] {
        let table = format!("get = [\"x\", \"{{provider}}\", \"{{alias}}\"]\n{command}");
        assert!(refused(&two("openai/a", "groq/a", &table)).contains("would be the same entry"), "{command}");
        assert!(read(&format!("[store.s]\n{table}\n[store-for.\"openai/a\"]\nstore = \"s\"\n")).is_ok());
    }
    let folded = "[store-for.\"a.b\"]\nstore = \"s\"\n[store-for.\"a-b\"]\nstore = \"s\"\n";
    let told = refused(&format!("[store.s]\n{dashed}\n{folded}"));
    assert!(told.contains("a key of a-b and a key of a.b would be") && !told.contains("q9z"), "{told}");
    // A provider's rule is about any alias.
    let all = "[store-for.openai]\nstore = \"s\"\n";
    assert!(refused(&format!("[store.s]\n{fixed}\n{all}")).contains("every key of openai"));
    assert!(read(&format!("[store.s]\n{dashed}\n{all}")).is_ok());
    let scopes = "[scope.\"openai/a.b\"]\nlease = \"8h\"\n[scope.\"openai/a-b\"]\nlease = \"8h\"\n";
    assert!(refused(&format!("[store.s]\n{dashed}\n{all}{scopes}")).contains("would be the same entry"));
}

#[test]
fn a_key_under_a_providers_rule_is_refused_where_another_one_may_be_the_same_entry() {
    let rules = |rules: &[&str]| -> String {
        rules.iter().map(|prefix| format!("[store-for.\"{prefix}\"]\nstore = \"s\"\n")).collect()
    };
    let same = |table: &str, prefixes: &[&str], name: &str| {
        let stores = read(&format!("[store.s]\n{table}\n{}", rules(prefixes))).expect("right");
        let store = "s".parse().expect("a name");
        let StoreKind::Command(spec) = &stores.specs[&store].kind else { panic!("a command") };
        stores.same_entry(&store, spec, &key(name))
    };
    let (joined, apart) = ("preset = \"gcloud\"", "preset = \"pass\"");
    for (prefixes, name, other) in [
        (&["openai"][..], "openai/a.b", Some("openai/a-b")),
        (&["openai"], "openai/a_b", Some("openai/a-b")),
        (&["openai"], "openai/a-b", None),
        (&["openai", "openai/a.b"], "openai/a.b", None),
        (&["openai", "openai/a.b"], "openai/a-b", Some("openai/a.b")),
        (&["openai", "openai-eu"], "openai-eu/work", Some("openai/eu-work")),
        (&["openai", "openai-eu"], "openai/eu-work", Some("openai-eu/work")),
        (&["openai", "openai-eu"], "openai/work", None),
        (&["openai", "openai-azure/work"], "openai/azure-work", Some("openai-azure/work")),
    ] {
        assert_eq!(same(joined, prefixes, name).as_deref(), other, "{prefixes:?} {name}");
        assert_eq!(same(apart, prefixes, name), None, "{prefixes:?} {name}");
    }
    let stored = "get = [\"x\", \"{provider}/{alias}\"]\nset = [\"x\", \"{provider}-{alias}\"]";
    assert_eq!(same(stored, &["openai", "openai-eu"], "openai-eu/work").as_deref(), Some("openai/eu-work"));
    let upper = "preset = \"doppler\"\nP = \"p\"\nC = \"c\"";
    assert_eq!(same(upper, &["openai", "openai_eu"], "openai/eu_work").as_deref(), Some("openai_eu/work"));
}

#[test]
fn what_a_store_logs_in_with_is_in_the_usual_store_and_has_no_scope() {
    const VAULT: &str = "[store.team]\naddress = \"https://v.example\"\ntoken = \"vault/token\"\n\
                         [store.own]\npreset = \"pass\"\n";
    let with = |more: &str| format!("{VAULT}{more}");
    for (more, said) in [
        ("[store-for.\"vault/token\"]\nstore = \"team\"\n", "not in \"team\""),
        ("[store-for.\"vault/token\"]\nstore = \"own\"\n", "not in \"own\""),
        ("[store-for.vault]\nstore = \"own\"\n", "not in \"own\""),
        ("[store-for.\"vault/token\"]\nstore = \"file\"\n", "not in \"file\""),
        ("[scope.\"vault/token\"]\nlease = \"1h\"\n", "no scope can limit that"),
    ] {
        assert!(refused(&with(more)).contains(said), "{more}");
    }
    let by_role = with("").replace("token = \"", "role-id = \"r\"\nsecret-id = \"");
    assert!(refused(&format!("{by_role}[store-for.vault]\nstore = \"own\"\n")).contains("[store.team] logs in with"));
    for more in [
        "",
        "[store-for.\"vault/token\"]\nstore = \"system\"\n",
        "[store-for.\"vault/other\"]\nstore = \"own\"\n",
        "[store-for.vault]\nstore = \"own\"\n[store-for.\"vault/token\"]\nstore = \"system\"\n",
        "[scope.\"vault/other\"]\nlease = \"1h\"\n",
    ] {
        assert!(read(&with(more)).is_ok(), "{more}");
    }
}
