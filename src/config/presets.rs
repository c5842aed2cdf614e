//! The command stores that Ringlet knows by name: a row for each tool.
//!
//! `{provider}` and `{alias}` are the parts of a key's name, `{PROVIDER}` and `{ALIAS}` the same in capitals. The other
//! words in braces are keys of the store's table.

/// What is done to the parts of a key's name before they are put into a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// They stay as they are.
    AsIs,
    /// `.` and `_` become `-`.
    Dashes,
    /// `.` and `-` become `_`.
    Underscores,
}

/// How a key stands in what a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// It is all of it, but for one newline at the end.
    Whole,
    /// It is the first line.
    FirstLine,
    /// It is all of it, in base64.
    Base64,
}

/// How the names in a store are found out without its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// A command prints them: a JSON list of texts, or one a line.
    Printed(&'static [&'static str]),
    /// They are files of this path: a folder that must be there, `{provider}/{alias}` below it, and an ending.
    Files(&'static str),
    /// They cannot be had.
    Unknown,
}

/// A tool.
#[derive(Debug)]
pub(crate) struct Preset {
    /// Its name in the settings.
    pub name: &'static str,
    /// Prints a key.
    pub get: &'static [&'static str],
    /// Store a key from standard input. The second one is tried where the first one fails.
    pub set: &'static [&'static [&'static str]],
    /// Removes a key.
    pub remove: Option<&'static [&'static str]>,
    /// Where the names come from.
    pub names: Names,
    /// What stands before `PROVIDER/ALIAS` in each of them. A name without it is not one of Ringlet's.
    pub prefix: &'static str,
    /// The keys of the table that the commands use.
    pub parameters: &'static [Parameter],
    /// Variables that the commands get.
    pub env: &'static [(&'static str, &'static str)],
    /// Where a key stands in the output of `get`.
    pub output: Output,
    /// How names are spelt.
    pub spelling: Spelling,
    /// The time limit in seconds, where the usual one is too short.
    pub seconds: Option<u64>,
}

/// A key of a store's table that the commands use.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// Its name, in capitals.
    pub name: &'static str,
    /// Whether it is the path of a file or folder.
    pub is_path: bool,
    /// The variable that has the tool use the same.
    pub variable: Option<&'static str>,
    /// What it is where neither the table nor the variable says so. Without a default the table must have it.
    pub default: Option<&'static str>,
}

impl Parameter {
    const fn text(name: &'static str, default: Option<&'static str>) -> Self {
        Self { name, is_path: false, variable: None, default }
    }

    const fn path(name: &'static str) -> Self {
        Self { name, is_path: true, variable: None, default: None }
    }
}

// Stands in place of what a row leaves out.
const NONE: Preset = Preset {
    name: "",
    get: &[],
    set: &[],
    remove: None,
    names: Names::Unknown,
    prefix: "ringlet/",
    parameters: &[],
    env: &[],
    output: Output::Whole,
    spelling: Spelling::AsIs,
    seconds: None,
};

const SLOW: Option<u64> = Some(20);

/// The tools, by name.
pub(crate) const PRESETS: &[Preset] = &[
    Preset {
        name: "aws-kms",
        get: &[
            "aws",
            "kms",
            "decrypt",
            "--ciphertext-blob",
            "fileb://{DIR}/{provider}/{alias}",
            "--query",
            "Plaintext",
            "--output",
            "text",
        ],
        names: Names::Files("{DIR}/{provider}/{alias}"),
        parameters: &[Parameter::path("DIR")],
        env: &[("AWS_PAGER", "")],
        output: Output::Base64,
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "aws-sm",
        get: &[
            "aws",
            "secretsmanager",
            "get-secret-value",
            "--secret-id",
            "ringlet/{provider}/{alias}",
            "--query",
            "SecretString",
            "--output",
            "text",
        ],
        set: &[
            &[
                "aws",
                "secretsmanager",
                "put-secret-value",
                "--secret-id",
                "ringlet/{provider}/{alias}",
                "--secret-string",
                "file:///dev/stdin",
            ],
            &[
                "aws",
                "secretsmanager",
                "create-secret",
                "--name",
                "ringlet/{provider}/{alias}",
                "--secret-string",
                "file:///dev/stdin",
            ],
        ],
        remove: Some(&[
            "aws",
            "secretsmanager",
            "delete-secret",
            "--secret-id",
            "ringlet/{provider}/{alias}",
            "--recovery-window-in-days",
            "7",
        ]),
        names: Names::Printed(&[
            "aws",
            "secretsmanager",
            "list-secrets",
            "--filters",
            "Key=name,Values=ringlet/",
            "--query",
            "SecretList[].Name",
            "--output",
            "json",
        ]),
        env: &[("AWS_PAGER", "")],
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "aws-ssm",
        get: &[
            "aws",
            "ssm",
            "get-parameter",
            "--name",
            "/ringlet/{provider}/{alias}",
            "--with-decryption",
            "--query",
            "Parameter.Value",
            "--output",
            "text",
        ],
        set: &[&[
            "aws",
            "ssm",
            "put-parameter",
            "--name",
            "/ringlet/{provider}/{alias}",
            "--type",
            "SecureString",
            "--overwrite",
            "--value",
            "file:///dev/stdin",
        ]],
        remove: Some(&["aws", "ssm", "delete-parameter", "--name", "/ringlet/{provider}/{alias}"]),
        names: Names::Printed(&[
            "aws",
            "ssm",
            "describe-parameters",
            "--parameter-filters",
            "Key=Name,Option=BeginsWith,Values=/ringlet/",
            "--query",
            "Parameters[].Name",
            "--output",
            "json",
        ]),
        prefix: "/ringlet/",
        env: &[("AWS_PAGER", "")],
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "az",
        get: &[
            "az",
            "keyvault",
            "secret",
            "show",
            "--vault-name",
            "{VAULT}",
            "--name",
            "ringlet-{provider}-{alias}",
            "--query",
            "value",
            "--output",
            "tsv",
        ],
        parameters: &[Parameter::text("VAULT", None)],
        spelling: Spelling::Dashes,
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "bw",
        get: &["bw", "get", "password", "ringlet/{provider}/{alias}", "--raw", "--nointeraction"],
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "doppler",
        get: &["doppler", "secrets", "get", "{PROVIDER}_{ALIAS}", "--plain", "--project", "{P}", "--config", "{C}"],
        parameters: &[Parameter::text("P", None), Parameter::text("C", None)],
        spelling: Spelling::Underscores,
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "gcloud",
        get: &["gcloud", "secrets", "versions", "access", "latest", "--secret=ringlet-{provider}-{alias}"],
        spelling: Spelling::Dashes,
        seconds: SLOW,
        ..NONE
    },
    Preset { name: "gopass", get: &["gopass", "show", "-o", "ringlet/{provider}/{alias}"], ..NONE },
    Preset {
        name: "infisical",
        get: &[
            "infisical",
            "secrets",
            "get",
            "{PROVIDER}_{ALIAS}",
            "--plain",
            "--silent",
            "--env=prod",
            "--path=/ringlet",
        ],
        spelling: Spelling::Underscores,
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "keepassxc-cli",
        get: &[
            "keepassxc-cli",
            "show",
            "--no-password",
            "-k",
            "{KEYFILE}",
            "-s",
            "-a",
            "Password",
            "{DB}",
            "ringlet/{provider}/{alias}",
        ],
        names: Names::Printed(&["keepassxc-cli", "ls", "--no-password", "-k", "{KEYFILE}", "-R", "-f", "{DB}"]),
        parameters: &[Parameter::path("DB"), Parameter::path("KEYFILE")],
        env: &[("QT_QPA_PLATFORM", "offscreen")],
        ..NONE
    },
    Preset {
        name: "op",
        get: &["op", "read", "--no-newline", "op://{VAULT}/ringlet-{provider}-{alias}/credential"],
        parameters: &[Parameter::text("VAULT", Some("Private"))],
        seconds: SLOW,
        ..NONE
    },
    Preset {
        name: "pass",
        get: &["pass", "show", "ringlet/{provider}/{alias}"],
        set: &[&["pass", "insert", "-m", "-f", "ringlet/{provider}/{alias}"]],
        remove: Some(&["pass", "rm", "-f", "ringlet/{provider}/{alias}"]),
        names: Names::Files("{DIR}/ringlet/{provider}/{alias}.gpg"),
        parameters: &[Parameter {
            variable: Some("PASSWORD_STORE_DIR"),
            default: Some("~/.password-store"),
            ..Parameter::path("DIR")
        }],
        output: Output::FirstLine,
        ..NONE
    },
    Preset {
        name: "systemd-creds",
        // A file for each key: a name such as a-b-c may stand for two keys, and a path may not.
        get: &["systemd-creds", "decrypt", "--name={provider}-{alias}", "{DIR}/{provider}/{alias}", "-"],
        set: &[&["systemd-creds", "encrypt", "--name={provider}-{alias}", "-", "{DIR}/{provider}/{alias}"]],
        names: Names::Files("{DIR}/{provider}/{alias}"),
        parameters: &[Parameter::path("DIR")],
        ..NONE
    },
];
