//! Tables of accepted and refused cloud-configs; `run` and `tools` run the scripts.

#[cfg(unix)]
mod run;
#[cfg(unix)]
mod tools;

use std::io::Write as _;
#[cfg(target_os = "linux")]
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::script;
use crate::provider::error::ProviderError;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn text(config: &str) -> String {
    let found = script(&format!("#cloud-config\n{config}"));
    found
        .unwrap_or_else(|error| panic!("{config}: {error}"))
        .unwrap_or_else(|| panic!("{config}: no script"))
}

fn steps(config: &str) -> Vec<String> {
    let text = text(config);
    let steps = text.lines().skip_while(|line| !line.is_empty() || !text.starts_with("#!"));
    let is_step = |line: &&str| {
        ["spuff_try ", "spuff_begin ", "eval ", "printf '%s"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    steps.filter(is_step).map(|line| line.trim_end_matches(" </dev/null").to_string()).collect()
}

#[test]
fn each_key_becomes_its_steps() {
    for (config, expected) in [
        ("package_update: true", &["spuff_try 'package_update' spuff_update"][..]),
        (
            "package_update: no\npackage_upgrade: yes",
            &[
                "spuff_try 'package_update' spuff_update",
                "spuff_try 'package_upgrade' spuff_upgrade",
            ],
        ),
        (
            "packages: [git, [nginx, 1.18], [vim, '2:9.1'], [jq, null], libc6=2.36*]",
            &[
                "spuff_try 'package_update' spuff_update",
                "spuff_try 'packages' spuff_packages 'git' '' 'nginx' '1.18' 'vim' '2:9.1' 'jq' '' \
                 'libc6=2.36*' ''",
            ],
        ),
        (
            "timezone: America/Port-au-Prince",
            &["spuff_try 'timezone' spuff_timezone 'America/Port-au-Prince'"],
        ),
        ("timezone: Etc/GMT+1", &["spuff_try 'timezone' spuff_timezone 'Etc/GMT+1'"]),
        ("final_message: ' All done, 100 %\n\n  of it '", &["printf '%s\\n' 'All done, 100 %"]),
        (
            "groups: admins, cloud-users",
            &[
                "spuff_try 'groups' spuff_group 'admins'",
                "spuff_try 'groups' spuff_group 'cloud-users'",
            ],
        ),
        (
            "groups: [a, {b: [root, daemon]}, {c: 'bin,sys'}, {d: null}]",
            &[
                "spuff_try 'groups[0]' spuff_group 'a'",
                "spuff_try 'groups[1].b' spuff_group 'b'",
                "spuff_try 'groups[2].c' spuff_group 'c'",
                "spuff_try 'groups[3].d' spuff_group 'd'",
                "spuff_try 'groups[1].b' spuff_members 'b' 'root' 'daemon'",
                "spuff_try 'groups[2].c' spuff_members 'c' 'bin' 'sys'",
            ],
        ),
        (
            "groups: {a: root}",
            &[
                "spuff_try 'groups.a' spuff_group 'a'",
                "spuff_try 'groups.a' spuff_members 'a' 'root'",
            ],
        ),
        (
            "ssh_authorized_keys:\n- ssh-ed25519 AAAA me@there\n- |\n  ssh-rsa BBBB\n",
            &["spuff_try 'ssh_authorized_keys' spuff_keys 'root' 'ssh-ed25519 AAAA me@there' \
                 'ssh-rsa BBBB'"],
        ),
        (
            "runcmd: [echo a, [echo, \"it's\", 1, -1.5], null, '', []]",
            &[
                "spuff_begin 'runcmd' 5",
                "eval 'echo a'",
                r"eval ''\''echo'\'' '\''it'\''\'\'''\''s'\'' '\''1'\'' '\''-1.5'\'''",
            ],
        ),
        ("bootcmd: ['true']", &["spuff_begin 'bootcmd' 1", "eval 'true'"]),
    ] {
        assert_eq!(steps(config), expected, "{config}");
    }
}

#[test]
fn users_become_their_steps() {
    let locked =
        |path: &str, name: &str| format!("spuff_try '{path}.lock_passwd' spuff_lock '{name}'");
    let plain = |path: &str, name: &str| {
        vec![
            format!("spuff_try '{path}' spuff_user '{name}' '' '' '' '' '' '' ''"),
            locked(path, name),
        ]
    };
    let user = |fields: &str, arguments: &str| {
        (
            format!("users: [{{name: jo, {fields}}}]"),
            vec![
                format!("spuff_try 'users[0]' spuff_user 'jo' {arguments}"),
                locked("users[0]", "jo"),
            ],
        )
    };
    let with = |fields: &str, step: &str| {
        let mut steps = plain("users[0]", "jo");
        steps.push(format!("spuff_try 'users[0].{step}"));
        (format!("users: [{{name: jo, {fields}}}]"), steps)
    };
    for (config, expected) in [
        ("users: [default, jo]".to_string(), plain("users[1]", "jo")),
        ("users: default, jo".to_string(), plain("users", "jo")),
        user("gecos: 'Jo D''Or, room 1', uid: 1001", "'1001' 'Jo D'\\''Or, room 1' '' '' '' '' ''"),
        user("homedir: /srv/jo, shell: /bin/bash", "'' '' '/srv/jo' '/bin/bash' '' '' ''"),
        user("uid: '1001', primary-group: staff", "'1001' '' '' '' 'staff' '' ''"),
        user("groups: 'adm, sudo'", "'' '' '' '' '' 'adm,sudo' '' 'adm' 'sudo'"),
        user("groups: [adm, sudo]", "'' '' '' '' '' 'adm,sudo' '' 'adm' 'sudo'"),
        user("groups: {adm: null, sudo: }", "'' '' '' '' '' 'adm,sudo' '' 'adm' 'sudo'"),
        user("system: true, no_user_group: true", "'' '' '' '' '' '' 'system alone'"),
        user(
            "no-create-home: true, lock_passwd: true, sudo: false",
            "'' '' '' '' '' '' 'homeless'",
        ),
        user("no_create_home: false, sudo: null, groups: null", "'' '' '' '' '' '' ''"),
        with("sudo: 'ALL=(ALL) NOPASSWD:ALL'", "sudo' spuff_sudo 'jo' 'ALL=(ALL) NOPASSWD:ALL'"),
        with(
            "sudo: ['ALL=(a) /b', 'ALL=(c) /d']",
            "sudo' spuff_sudo 'jo' 'ALL=(a) /b' 'ALL=(c) /d'",
        ),
        with("ssh_authorized_keys: [a b, c]", "ssh_authorized_keys' spuff_keys 'jo' 'a b' 'c'"),
        with("ssh-authorized-keys: [a b, c]", "ssh_authorized_keys' spuff_keys 'jo' 'a b' 'c'"),
        (
            "users: [{name: jo, lock-passwd: false}]".to_string(),
            vec![
                plain("users[0]", "jo")[0].clone(),
                "spuff_try 'users[0].lock_passwd' spuff_unlock 'jo'".to_string(),
            ],
        ),
    ] {
        assert_eq!(steps(&config), expected, "{config}");
    }
}

#[test]
fn files_become_their_steps() {
    for (fields, arguments) in [
        ("content: a", "'/etc/a/b' '0644' '' 'replace'"),
        (
            "content: null, owner: null, permissions: ~, encoding: null",
            "'/etc/a/b' '0644' '' 'replace'",
        ),
        ("append: true, owner: root:adm", "'/etc/a/b' '0644' 'root:adm' 'append'"),
        ("owner: jo, permissions: '600'", "'/etc/a/b' '0600' 'jo' 'replace'"),
        ("owner: 'none:adm', permissions: 0o755", "'/etc/a/b' '0755' ':adm' 'replace'"),
        ("owner: '-1:none', permissions: 0755", "'/etc/a/b' '0755' '-' 'replace'"),
        ("owner: '', permissions: '0o4750'", "'/etc/a/b' '4750' '-' 'replace'"),
        ("owner: '1000:1000', permissions: 0", "'/etc/a/b' '0000' '1000:1000' 'replace'"),
    ] {
        let config = format!("write_files: [{{path: /etc/a/b, {fields}}}]");
        assert_eq!(
            steps(&config),
            [format!("spuff_try 'write_files[0]' spuff_file {arguments} <<'-----'")],
            "{config}"
        );
    }
}

#[test]
fn stages_have_their_order() {
    let config = "
runcmd: [date]
write_files: [{path: /b, defer: true}, {path: /a}]
timezone: UTC
packages: [git]
ssh_authorized_keys: [key]
users: [jo]
groups: [{staff: jo}]
final_message: done
bootcmd: [date]
";
    let found: Vec<_> = steps(config)
        .iter()
        .map(|step| step.split([' ', '\'']).nth(2).unwrap_or_default().to_string())
        .collect();
    let expected = "bootcmd|date|write_files[1]|groups[0].staff|users[0]|users[0].lock_passwd|\
                    groups[0].staff|ssh_authorized_keys|\
                    package_update|packages|timezone|write_files[0]|runcmd|date|%s\\n";
    let found = found.join("|").replace("||", "|");
    assert_eq!(found, expected, "{}", text(config));
}

#[test]
fn keys_that_are_not_done_here_are_named() {
    for (config, path) in [
        ("hostname: web-1", "hostname"),
        ("fqdn: a.example.org", "fqdn"),
        ("Packages: [git]", "Packages"),
        ("swap: {size: 1}", "swap"),
        ("unknown: null", "unknown"),
        ("\"a\\nb\": 1", "\"a\\nb\""),
        ("chpasswd: {expire: false}", "chpasswd"),
        ("user: jo", "user"),
        ("ssh-authorized-keys: [a]", "ssh-authorized-keys"),
        ("final_message: up after $UPTIME seconds", "final_message with placeholders"),
        ("final_message: '{{ uptime }}'", "final_message with placeholders"),
        (
            "write_files: [{path: /a}, {path: /b, source: {uri: 'https://example.org'}}]",
            "write_files[1].source",
        ),
        ("packages: [git, {snap: [lxd]}]", "packages[1].snap"),
        ("packages: [{apt: [git]}]", "packages[0].apt"),
        ("users: [{name: jo, selinux_user: staff_u}]", "users[0].selinux_user"),
        ("users: [{name: jo, passwd: x}]", "users[0].passwd"),
        ("users: [a, {name: jo, plain-text-passwd: x}]", "users[1].plain-text-passwd"),
        ("users: [{name: jo, ssh_import_id: [gh:jo]}]", "users[0].ssh_import_id"),
    ] {
        let error = script(&format!("#cloud-config\n{config}")).unwrap_err();
        let expected = format!("user_data: the cloud-config key {path} (docker)");
        assert!(
            matches!(&error, ProviderError::NotSupported { feature } if *feature == expected),
            "{config}: {error}"
        );
    }
}

fn refused(config: &str) -> String {
    match script(&format!("#cloud-config\n{config}")) {
        Err(ProviderError::InvalidConfig { field, message }) if field == "user_data" => message,
        other => panic!("{config}: {other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (config, place, part) in [
        ("[date]", "the cloud-config (line 2, column 1)", "must be a map, but is a list"),
        ("date", "the cloud-config (line 2, column 1)", "a map"),
        ("runcmd: date", "runcmd (line 2, column 9)", "a list of commands, but is a string"),
        (
            "runcmd:\n  - 1",
            "runcmd[0] (line 3, column 5)",
            "a number in YAML; if a string is meant, put it in quotes",
        ),
        ("runcmd: [[echo, yes]]", "runcmd[0][1] (line 2, column 17)", "a boolean in YAML"),
        ("runcmd: [[echo, 0755]]", "runcmd[0][1]", "a number in YAML"),
        ("runcmd: [[echo, 1.10]]", "runcmd[0][1]", "a number in YAML"),
        ("runcmd: [[echo, 2026-01-30]]", "runcmd[0][1]", "a time in YAML"),
        ("runcmd: [[echo, null]]", "runcmd[0][1]", "but is null"),
        ("runcmd: [[echo, [a]]]", "runcmd[0][1]", "but is a list"),
        ("runcmd: [\"a\\0b\"]", "runcmd[0]", "NUL"),
        ("runcmd: [[\"a\\0b\"]]", "runcmd[0][0]", "NUL"),
        ("runcmd: [{a: b}]", "runcmd[0]", "but is a map"),
        ("package_update: 'true'", "package_update", "without quotes"),
        ("package_update: 1", "package_update", "true or false"),
        ("packages: git", "packages", "a list of packages"),
        ("packages: ['--force']", "packages[0]", "without options"),
        ("packages: ['']", "packages[0]", "empty"),
        ("packages: [git vim]", "packages[0]", "white space"),
        ("packages: [[nginx, 1.20]]", "packages[0][1]", "a number in YAML"),
        ("packages: [[nginx]]", "packages[0]", "[name, version]"),
        ("packages: [{}]", "packages[0]", "[name, version]"),
        ("packages: [[nginx, '-1']]", "packages[0][1]", "without options"),
        ("timezone: ../../etc/passwd", "timezone", "Europe/Berlin"),
        ("timezone: /etc/passwd", "timezone", "Europe/Berlin"),
        ("timezone: -f", "timezone", "Europe/Berlin"),
        ("timezone: ''", "timezone", "Europe/Berlin"),
        ("write_files: {path: /a}", "write_files", "a list of files, but is a map"),
        ("write_files: [/a]", "write_files[0]", "a map, but is a string"),
        ("write_files: [{content: a}]", "write_files[0]", "the path is missing"),
        ("write_files: [{path: etc/a}]", "write_files[0].path", "must begin with '/'"),
        ("write_files: [{path: /etc/}]", "write_files[0].path", "directory"),
        ("write_files: [{path: \"/a\\0\"}]", "write_files[0].path", "NUL"),
        ("write_files: [{path: /a, content: 5}]", "write_files[0].content", "put it in quotes"),
        ("write_files: [{path: /a, content: [b]}]", "write_files[0].content", "but is a list"),
        (
            "write_files: [{path: /a, permissions: 644}]",
            "write_files[0].permissions",
            "write it as '0644'",
        ),
        (
            "write_files: [{path: /a, permissions: 0x1a4}]",
            "write_files[0].permissions",
            "octal digits",
        ),
        (
            "write_files: [{path: /a, permissions: 0800}]",
            "write_files[0].permissions",
            "octal digits",
        ),
        (
            "write_files: [{path: /a, permissions: '10000'}]",
            "write_files[0].permissions",
            "octal digits",
        ),
        (
            "write_files: [{path: /a, permissions: '+644'}]",
            "write_files[0].permissions",
            "octal digits",
        ),
        (
            "write_files: [{path: /a, permissions: ''}]",
            "write_files[0].permissions",
            "octal digits",
        ),
        (
            "write_files: [{path: /a, permissions: u=rw}]",
            "write_files[0].permissions",
            "octal digits",
        ),
        ("write_files: [{path: /a, owner: 10:10}]", "write_files[0].owner", "a number in YAML"),
        ("write_files: [{path: /a, owner: --reference=/b}]", "write_files[0].owner", "user:group"),
        ("write_files: [{path: /a, owner: 'a b'}]", "write_files[0].owner", "user:group"),
        ("write_files: [{path: /a, owner: 'a:b:c'}]", "write_files[0].owner", "user:group"),
        (
            "write_files: [{path: /a, encoding: rot13}]",
            "write_files[0].encoding",
            "not an encoding",
        ),
        (
            "write_files: [{path: /a, encoding: b64, content: 'a?b'}]",
            "write_files[0].content",
            "not base64",
        ),
        (
            "write_files: [{path: /a, encoding: gz, content: abc}]",
            "write_files[0].content",
            "not gzip",
        ),
        ("write_files: [{path: /a, append: 1}]", "write_files[0].append", "true or false"),
        ("users: 5", "users", "a list of users"),
        ("users: [[a, b]]", "users[0]", "the name of a user, or a map"),
        ("users: [{uid: 5}]", "users[0]", "the name is missing"),
        ("users: [{name: default, shell: /bin/sh}]", "users[0].name", "root"),
        ("users: [{name: 5}]", "users[0].name", "put it in quotes"),
        ("users: [-r]", "users[0]", "not a name of a user"),
        ("users: ['a:b']", "users[0]", "not a name of a user"),
        ("users: [\"a\\nb\"]", "users[0]", "not a name of a user"),
        ("users: ['']", "users[0]", "not a name of a user"),
        ("users: [jo, {name: jo}]", "users[1]", "is listed twice"),
        ("users: [{name: jo, uid: -1}]", "users[0].uid", "whole number"),
        ("users: [{name: jo, uid: 0x10}]", "users[0].uid", "number in YAML"),
        ("users: [{name: jo, gecos: 'a:b'}]", "users[0].gecos", "':'"),
        ("users: [{name: jo, gecos: \"a\\nb\"}]", "users[0].gecos", "must be a single line"),
        ("users: [{name: jo, homedir: home}]", "users[0].homedir", "must begin with '/'"),
        ("users: [{name: jo, shell: '/bin/a:b'}]", "users[0].shell", "':'"),
        ("users: [{name: jo, groups: '-a'}]", "users[0].groups", "not a name of a user or group"),
        ("users: [{name: jo, groups: {a: b}}]", "users[0].groups.a", "null"),
        ("users: [{name: jo, sudo: true}]", "users[0].sudo", "a rule"),
        ("users: [{name: jo, sudo: \"a\\nb\"}]", "users[0].sudo", "must be a single line"),
        ("users: [{name: jo, sudo: ''}]", "users[0].sudo", "empty"),
        ("users: [{name: jo, sudo: [null]}]", "users[0].sudo[0]", "a string"),
        ("users: [{name: jo, system: 'no'}]", "users[0].system", "without quotes"),
        (
            "users: [{name: jo, ssh_authorized_keys: key}]",
            "users[0].ssh_authorized_keys",
            "a list of public keys",
        ),
        (
            "users: [{name: jo, ssh_authorized_keys: [\"a\\nb\"]}]",
            "users[0].ssh_authorized_keys[0]",
            "must be a single line",
        ),
        (
            "users: [{name: jo, system: true, ssh_authorized_keys: [a]}]",
            "users[0].ssh_authorized_keys",
            "without a home directory",
        ),
        (
            "users: [{name: jo, lock-passwd: true, lock_passwd: false}]",
            "users[0].lock_passwd",
            "the same",
        ),
        ("groups: 5", "groups", "names"),
        ("groups: ['a b']", "groups[0]", "not a name of a user or group"),
        ("groups: [a, {a: root}]", "groups[1].a", "is listed twice"),
        ("groups: [{a: [5]}]", "groups[0].a[0]", "a string"),
        ("groups: {'a;b': root}", "groups.\"a;b\"", "not a name of a user or group"),
        ("ssh_authorized_keys: ['']", "ssh_authorized_keys[0]", "empty"),
    ] {
        let message = refused(config);
        assert!(message.starts_with(place) && message.contains(part), "{config}: {message}");
    }
}

#[test]
fn yaml_that_cannot_be_read_is_named_with_its_place() {
    let many = "x, ".repeat(20_000);
    let bomb = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_string(), |text, level| {
        let below = format!("*a{}, ", level - 1).repeat(9);
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    let long = format!(
        "runcmd:\n- &a '{}'\n- {}",
        "x".repeat(1 << 20),
        "[*a, *a, *a, *a, *a, *a, *a, *a]"
    );
    for (config, place, part) in [
        ("runcmd: [a", "line 2, column", "not YAML"),
        ("a: b: c", "line 2, column 5", "not YAML"),
        ("packages:\n\t- a", "line 3", "not YAML"),
        ("runcmd: *missing", "line 2, column 9", "not YAML"),
        ("runcmd: &a [*a]", "line 2, column 13", "an alias inside the value that it names"),
        (
            "timezone: UTC\npackages: []\ntimezone: UTC",
            "line 4, column 1",
            "\"timezone\" is given twice; keep one",
        ),
        (
            "write_files: [{path: /a, path: /b}]",
            "line 2, column 26",
            "\"path\" is given twice; keep one",
        ),
        ("yes: 1", "line 2, column 1", "a boolean in YAML"),
        ("? [a]\n: b", "line 2, column", "not a word"),
        ("timezone: UTC\n---\npackages: []", "line 3, column 1", "a second document"),
        ("timezone: !zone UTC", "line 2", "the tag !zone has no meaning"),
        ("packages: !!set {a}", "line 2", "has no meaning"),
        ("runcmd: [!!binary '?']", "line 2", "not base64"),
        ("<<: 5", "line 2, column 5", "<< takes a map"),
        (&format!("runcmd: &a [{many}]\nbootcmd: *a\npackages: *a"), "line 4", "shorten it"),
        (&long, "line 4", "shorten it"),
        (&bomb, "line 6", "shorten it"),
        (&format!("runcmd: {}{}", "[".repeat(5000), "]".repeat(5000)), "line 2", "not YAML"),
    ] {
        let message = refused(config);
        assert!(
            message.starts_with(place) && message.contains(part),
            "{}: {message}",
            &config[..config.len().min(80)]
        );
    }
}

#[test]
fn content_is_bounded_as_it_is_written() {
    let twice = |bytes| {
        let packed = BASE64_STANDARD.encode(gzip(&vec![0; bytes]));
        format!(
            "write_files: [{{path: /a, encoding: gz+b64, content: &a {packed}}}, {{path: /b, \
             encoding: gz+b64, content: *a}}]"
        )
    };
    assert!(text(&twice(4 << 20)).len() > 10 << 20);
    for (bytes, place) in
        [((4 << 20) + 1, "write_files[1].content"), (9 << 20, "write_files[0].content")]
    {
        let message = refused(&twice(bytes));
        assert!(message.starts_with(place) && message.contains("larger than"), "{message}");
    }
}

#[test]
fn anchors_merges_and_tags_are_read() {
    for (config, expected) in [
        (
            "users: [&a {name: jo, shell: /bin/sh}, {<<: *a, name: al}]",
            vec!["'jo' '' '' '' '/bin/sh'", "'al' '' '' '' '/bin/sh'"],
        ),
        (
            "users: [{<<: [{name: jo, shell: /a}, {shell: /b, gecos: c}]}]",
            vec!["'jo' '' 'c' '' '/a'"],
        ),
        ("users: [{name: !!str 5, gecos: ! yes}]", vec!["'5' '' 'yes' '' ''"]),
    ] {
        let users: Vec<_> =
            steps(config).into_iter().filter(|step| step.contains("spuff_user")).collect();
        assert_eq!(users.len(), expected.len(), "{users:?}");
        for (user, expected) in users.iter().zip(expected) {
            assert!(user.contains(expected), "{config}: {user}");
        }
    }
}

#[test]
fn nothing_asks_for_nothing() {
    for config in [
        "",
        "---",
        "{}",
        "null",
        "~",
        "packages: []",
        "runcmd: null",
        "users: [default]",
        "runcmd: [null, '']",
        "package_update: no",
    ] {
        assert!(matches!(script(&format!("#cloud-config\n{config}")), Ok(None)), "{config}");
    }
}

/// How long this thread has run, whatever else the computer does.
#[cfg(target_os = "linux")]
fn on_processor() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// Eight times the keys take about eight times as long, and not sixty-four times.
#[cfg(target_os = "linux")]
#[test]
fn many_keys_are_read_in_proportion() {
    let keys = |count: usize, indent: &str| {
        (0..count).map(|n| format!("{indent}k{n}: 1\n")).collect::<String>()
    };
    let shapes: [fn(String, String, String) -> String; 3] = [
        |plain, _, _| plain,
        |_, deep, _| format!("users:\n  - name: ada\n{deep}"),
        |_, _, merged| format!("users:\n  - <<:\n{merged}    name: ada\n"),
    ];
    for shape in shapes {
        let quickest = |count: usize| {
            let config = shape(keys(count, ""), keys(count, "    "), keys(count, "        "));
            let config = format!("#cloud-config\n{config}");
            let time = |_| {
                let began = on_processor();
                assert!(matches!(
                    script(&config),
                    Err(ProviderError::NotSupported { feature }) if feature.contains("k0")
                ));
                on_processor() - began
            };
            (0..3).map(time).min().unwrap()
        };
        let few = quickest(2_000);
        let many = quickest(16_000);
        assert!(many < few * 24, "{few:?} and {many:?}");
    }
}
