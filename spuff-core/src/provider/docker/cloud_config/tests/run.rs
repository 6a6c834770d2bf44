//! Runs the scripts with the installed shells.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::super::shell::quote;
use super::{gzip, text};

const HOSTILE: [&str; 12] = [
    "it's",
    "\"$HOME\" $(touch hostile) `touch hostile`",
    "a'; touch hostile; '",
    "a\nb\n\n",
    "-n",
    "--",
    "-----\n-----",
    "\\ \\\\ \\' \\n",
    "ünï¢ode 🦀",
    "a\tb  c * ? [a] ~ # ! & | ; < >",
    "'",
    "''''\"\"\"\"",
];

pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("spuff-cloud-config-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn shells() -> Vec<Vec<&'static str>> {
    let all = [
        vec!["/bin/sh"],
        vec!["sh", "-eu"],
        vec!["dash"],
        vec!["busybox", "sh"],
        vec!["bash", "--posix"],
    ];
    let is_there = |shell: &Vec<&str>| {
        Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", ":"])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    all.into_iter().filter(is_there).collect()
}

/// Returns the path of a program.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// Runs a configuration with each shell, in a directory that replaces `DIR` in it.
fn each_shell(name: &str, config: &str, check: impl Fn(&Scratch, &str, Output)) {
    let shells = shells();
    assert!(!shells.is_empty(), "no shell is installed");
    for (index, shell) in shells.iter().enumerate() {
        let scratch = Scratch::new(&format!("{name}-{index}"));
        let script = text(&config.replace("DIR", scratch.0.to_str().unwrap()));
        let file = scratch.0.join("script");
        fs::write(&file, script).unwrap();
        let input = fs::File::open(&file).unwrap();
        let output = Command::new(shell[0])
            .args(&shell[1..])
            .arg(&file)
            .current_dir(&scratch.0)
            .stdin(input)
            .output()
            .unwrap();
        check(&scratch, &shell.join(" "), output);
    }
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn files_have_their_bytes_and_modes() {
    let one = gzip(b"first ");
    let two = gzip(&[0, 159, 146, 150]);
    let packed = BASE64_STANDARD.encode([one, two].concat());
    let long = "0123456789".repeat(20_000);
    let config = format!(
        "write_files:
- {{path: DIR/plain, content: 'a'}}
- {{path: DIR/new/deep/empty, permissions: '0600'}}
- {{path: DIR/block, permissions: 0750, content: \"#!/bin/sh\\r\\n\\texit\\n\"}}
- path: DIR/b64
  encoding: B64
  content: |
    AAEC
    /f7/
- {{path: DIR/gz, encoding: gz+b64, permissions: '4711', content: '{packed}'}}
- {{path: DIR/binary, content: !!binary '/wA='}}
- {{path: DIR/packed, encoding: gzip, content: !!binary '{packed}'}}
- {{path: DIR/log, append: true, content: \"one\\n\"}}
- {{path: DIR/log, append: true, content: \"two\\n\", permissions: '0640', defer: true}}
- {{path: DIR/twice, content: 'long ago'}}
- {{path: DIR/twice, content: 'now'}}
- {{path: DIR/nul, content: \"a\\0b\"}}
- {{path: DIR/long, content: '{long}'}}
- {{path: \"DIR/it's $(x) `y` -z\\n\\\"ü\\\"\", content: b}}
"
    );
    each_shell("files", &config, |scratch, shell, output| {
        assert!(output.status.success() && said(&output).is_empty(), "{shell}: {}", said(&output));
        let gz = [b"first ".as_slice(), &[0, 159, 146, 150]].concat();
        for (name, bytes, expected) in [
            ("plain", b"a".as_slice(), 0o644),
            ("new/deep/empty", b"", 0o600),
            ("block", b"#!/bin/sh\r\n\texit\n", 0o750),
            ("b64", &[0, 1, 2, 253, 254, 255], 0o644),
            ("gz", &gz, 0o4711),
            ("binary", &[255, 0], 0o644),
            ("packed", &gz, 0o644),
            ("log", b"one\ntwo\n", 0o640),
            ("twice", b"now", 0o644),
            ("nul", b"a\0b", 0o644),
            ("long", long.as_bytes(), 0o644),
            ("it's $(x) `y` -z\n\"ü\"", b"b", 0o644),
        ] {
            let path = scratch.0.join(name);
            assert_eq!(
                fs::read(&path).unwrap_or_else(|error| panic!("{shell}: {name:?}: {error}")),
                bytes,
                "{shell}: {name:?}"
            );
            assert_eq!(mode(&path), expected, "{shell}: {name:?}");
        }
        assert_eq!(mode(&scratch.0.join("new")) & 0o700, 0o700, "{shell}");
    });
}

#[test]
fn words_are_given_as_they_are_written() {
    let words: Vec<_> = HOSTILE.iter().map(|word| json(word)).collect();
    let quoted: Vec<_> = HOSTILE.iter().map(|word| quote(word)).collect();
    let config = format!(
        "runcmd:
- [printf, '%s|', {}]
- {}
final_message: {}
",
        words.join(", "),
        json(&format!("printf '%s|' {}", quoted.join(" "))),
        json(HOSTILE[2]),
    );
    let expected = HOSTILE.map(|word| format!("{word}|")).concat();
    each_shell("words", &config, |scratch, shell, output| {
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            expected.repeat(2),
            "{shell}: {}",
            said(&output)
        );
        assert_eq!(said(&output), format!("{}\n", HOSTILE[2]), "{shell}");
        assert!(output.status.success() && !scratch.0.join("hostile").exists(), "{shell}");
    });
}

#[test]
fn commands_share_a_shell() {
    let config = "
bootcmd: ['echo boot >>DIR/order; x=set']
write_files: [{path: DIR/seen, content: early}, {path: DIR/late, content: late, defer: true}]
runcmd:
- cat DIR/late >>DIR/order
- mkdir DIR/below
- [cd, DIR/below]
- pwd -P >../where
- variable='a b'
- 'echo \"$variable,${x-unset},${none-unset}\" >../variable'
- (exit 7)
- echo $? >../status
- read line || echo 'no input' >../input
- |
  cat >../here <<'EOF'
  it's
  EOF
- exec >../log 2>&1
- echo hello
";
    each_shell("share", config, |scratch, shell, output| {
        assert_eq!(
            said(&output),
            "spuff: runcmd[6] failed with status 7\nspuff: runcmd failed with status 1\nspuff: \
             these steps of the user data failed: runcmd\n",
            "{shell}"
        );
        assert_eq!(output.status.code(), Some(1), "{shell}");
        let below = fs::canonicalize(scratch.0.join("below")).unwrap();
        for (name, expected) in [
            ("order", "boot\nlate"),
            ("where", &format!("{}\n", below.display())),
            ("variable", "a b,unset,unset\n"),
            ("status", "7\n"),
            ("input", "no input\n"),
            ("here", "it's\n"),
            ("log", "hello\n"),
        ] {
            assert_eq!(scratch.text(name), expected, "{shell}: {name}");
        }
    });
}

#[test]
fn a_failure_is_said_and_ends_nothing_else() {
    for (name, config, expected, made) in [
        (
            "last",
            "runcmd: ['true', 'false']\n",
            &["runcmd[1] failed with status 1", "these steps of the user data failed: runcmd"][..],
            "",
        ),
        (
            "exit",
            "bootcmd: [exit 3, touch DIR/no]\nruncmd: [touch DIR/yes]\n",
            &["bootcmd[0] ended the commands with status 3"],
            "yes",
        ),
        ("leave", "runcmd: [exit 0, touch DIR/no]\n", &[], ""),
        (
            "failed-before-exit",
            "runcmd: ['false', exit 0]\n",
            &["runcmd[0] failed", "user data failed: runcmd"],
            "",
        ),
        (
            "strict",
            "runcmd: [set -e, 'false || true', 'false', touch DIR/no]\n",
            &["runcmd[2] ended the commands with status 1"],
            "",
        ),
        ("syntax", "bootcmd: ['echo \"']\nruncmd: [touch DIR/yes]\n", &["bootcmd failed"], "yes"),
        ("parenthesis", "runcmd: [')', '}', fi]\n", &["runcmd failed"], ""),
        (
            "unknown",
            "runcmd: [spuff-no-such-command, touch DIR/yes]\n",
            &["runcmd[0] failed with status 127"],
            "yes",
        ),
        (
            "file",
            "write_files: [{path: DIR, content: a}, {path: DIR/yes}]\n",
            &[
                "write_files[0] failed with status",
                "these steps of the user data failed: write_files[0]\n",
            ],
            "yes",
        ),
        (
            "owner",
            "write_files: [{path: DIR/a, owner: spuff-nobody}, {path: DIR/yes}]\n",
            &["write_files[0] failed"],
            "yes",
        ),
        (
            "below-a-file",
            "write_files: [{path: DIR/script/a}, {path: DIR/yes}]\n",
            &["write_files[0] failed"],
            "yes",
        ),
        (
            "timezone",
            "timezone: Spuff/Nowhere\nruncmd: [touch DIR/yes]\n",
            &["tzdata", "timezone failed with status 1"],
            "yes",
        ),
    ] {
        each_shell(&format!("failure-{name}"), config, |scratch, shell, output| {
            let said = said(&output);
            for part in expected {
                assert!(said.contains(part), "{shell}: {config}: {part:?} is not in {said:?}");
            }
            assert_eq!(
                output.status.code(),
                Some(i32::from(!expected.is_empty())),
                "{shell}: {config}: {said}"
            );
            assert!(!scratch.0.join("no").exists(), "{shell}: {config}");
            assert!(made.is_empty() || scratch.0.join(made).exists(), "{shell}: {config}: {said}");
        });
    }
}
