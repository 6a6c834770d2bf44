//! Runs the scripts with stand-in tools that record their arguments; a directory holds the
//! instance's files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use super::run::{Scratch, find, mode, said, shells};
use super::text;

const REAL: [&str; 9] = ["base64", "cat", "chmod", "grep", "id", "ln", "mkdir", "sh", "tail"];
const PASSWD: &str =
    "root:x:0:0:root:/ROOT:/bin/sh\nold:x:7:8:Old:/OLD:/bin/sh\nwas:x:9:9::/WAS:/bin/sh";
const SHADOW: &str = "root:*:1::::::\nold:$y$hash:1::::::\nwas:!$y$hash:1::::::\nnew:!:1::::::\n";

fn each_shell(
    name: &str,
    config: &str,
    tools: &[&str],
    check: impl Fn(&Scratch, &str, &Output, &str),
) {
    let mut checked = 0;
    for (index, shell) in shells().into_iter().enumerate() {
        let scratch = Scratch::new(&format!("{name}-{index}"));
        let place = scratch.0.to_str().unwrap();
        for directory in ["bin", "etc", "usr/share/zoneinfo/Europe"] {
            fs::create_dir_all(scratch.0.join(directory)).unwrap();
        }
        let passwd = PASSWD
            .replace("/ROOT", &format!("{place}/root"))
            .replace("/OLD", &format!("{place}/old"));
        fs::write(scratch.0.join("etc/passwd"), passwd).unwrap();
        fs::write(scratch.0.join("etc/shadow"), SHADOW).unwrap();
        fs::write(scratch.0.join("etc/group"), "root:x:0:\nadm:x:4:\n").unwrap();
        fs::write(scratch.0.join("usr/share/zoneinfo/Europe/Berlin"), "TZif").unwrap();
        for tool in REAL {
            std::os::unix::fs::symlink(find(tool).unwrap(), scratch.0.join("bin").join(tool))
                .unwrap();
        }
        for tool in tools.iter().chain(&["chown"]) {
            let path = scratch.0.join("bin").join(tool);
            let body = format!(
                "#!/bin/sh\nprintf '%s' {tool} >>{place}/calls\nprintf ' <%s>' \"$@\" \
                 >>{place}/calls\necho >>{place}/calls\n\
                 for last; do :; done\ncase {tool} in useradd | adduser) \
                 echo \"$last:x:5:5::/h:/s\" >>{place}/etc/passwd ;; esac\n\
                 case $* in *missing*) exit 100 ;; esac\n"
            );
            fs::write(&path, body).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let shell = [
            vec![find(shell[0]).unwrap().to_str().unwrap().to_string()],
            shell[1..].iter().map(|word| word.to_string()).collect(),
        ]
        .concat();
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&shell[0]);
            command
                .args(&shell[1..])
                .args(arguments)
                .env("PATH", scratch.0.join("bin"))
                .output()
                .unwrap()
        };
        // BusyBox may run tools of its own, which would change the computer that runs the tests.
        if run(&["-c", "command -v chown"]).stdout != format!("{place}/bin/chown\n").into_bytes() {
            continue;
        }
        let script = text(&config.replace("DIR", place));
        let script = script
            .replace("/etc/", &format!("{place}/etc/"))
            .replace("\"/etc", &format!("\"{place}/etc"));
        let script = script.replace("/usr/share", &format!("{place}/usr/share"));
        fs::write(scratch.0.join("script"), script).unwrap();
        let output = run(&[scratch.0.join("script").to_str().unwrap()]);
        let calls = scratch.text("calls").replace(place, "DIR");
        check(&scratch, &shell.join(" "), &output, &calls);
        checked += 1;
    }
    assert!(checked > 0, "no shell takes its tools from PATH");
}

fn calls(name: &str, config: &str, tools: &[&str], expected: &[&str]) {
    each_shell(name, config, tools, |_, shell, output, calls| {
        let found: Vec<_> = calls.lines().filter(|call| !call.starts_with("chown")).collect();
        assert_eq!(found, expected, "{shell}: {config}: {}", said(output));
    });
}

#[test]
fn users_are_made_by_useradd() {
    let tools = ["useradd", "groupadd", "usermod", "passwd", "adduser", "addgroup"];
    for (index, (config, expected)) in [
        ("users: [new]", &["useradd <-m> <new>"][..]),
        (
            "users: [{name: new, uid: 5, gecos: 'a b', homedir: /h, shell: /s, primary_group: \
             main, groups: 'adm,more'}]",
            &[
                "groupadd <main>",
                "groupadd <more>",
                "useradd <-m> <--uid> <5> <--comment> <a b> <--home-dir> </h> <--shell> </s> \
                 <--gid> <main> <--groups> <adm,more> <new>",
            ],
        ),
        (
            "users: [{name: new, system: true, no_user_group: \
         true}]",
            &["useradd <-M> <--system> <--no-user-group> <new>"],
        ),
        ("users: [{name: new, no_create_home: true}]", &["useradd <-M> <new>"]),
        ("users: [{name: new, lock_passwd: false}]", &["useradd <-m> <new>"]),
        ("users: [{name: old, groups: more}]", &["passwd <-l> <old>"]),
        (
            "users: [{name: old, lock_passwd: false}, {name: was, lock_passwd: \
         false}]",
            &["passwd <-u> <was>"],
        ),
        ("users: [was, {name: root}]", &[]),
        (
            "groups: [adm, {crew: [root, old]}]",
            &[
                "groupadd <crew>",
                "usermod <-a> <-G> <crew> \
             <root>",
                "usermod <-a> <-G> <crew> <old>",
            ],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        calls(&format!("useradd-{index}"), config, &tools, expected);
    }
}

#[test]
fn users_are_made_by_busybox() {
    let tools = ["adduser", "addgroup"];
    for (index, (config, expected)) in [
        ("users: [new]", &["adduser <-D> <new>"][..]),
        (
            "users: [{name: new, uid: 5, gecos: 'a b', homedir: /h, shell: /s, primary_group: \
             main, groups: 'adm,more'}]",
            &[
                "addgroup <main>",
                "addgroup <more>",
                "adduser <-D> <-u> <5> <-g> <a b> <-h> </h> <-s> </s> <-G> <main> <new>",
                "addgroup <new> <adm>",
                "addgroup <new> <more>",
            ],
        ),
        ("users: [{name: new, system: true}]", &["adduser <-D> <-H> <-S> <new>"]),
        (
            "users: [{name: new, no_user_group: true, no_create_home: \
         true}]",
            &["adduser <-D> <-H> <-G> <users> <new>"],
        ),
        ("groups: [{crew: root}]", &["addgroup <crew>", "addgroup <root> <crew>"]),
    ]
    .into_iter()
    .enumerate()
    {
        calls(&format!("adduser-{index}"), config, &tools, expected);
    }
}

#[test]
fn packages_are_installed_by_what_is_there() {
    let config = "package_upgrade: true\npackages: [git, [vim, '9.1']]";
    let apt = "apt-get <--option=Dpkg::Options::=--force-confold> <--assume-yes> <--quiet>";
    for (tools, expected) in [
        (
            &["apt-get", "apk"][..],
            [
                format!("{apt} <update>"),
                format!("{apt} <dist-upgrade>"),
                format!("{apt} <install> <git> <vim=9.1>"),
            ],
        ),
        (
            &["dnf", "yum"],
            ["dnf <-y> <makecache>", "dnf <-y> <upgrade>", "dnf <-y> <install> <git> <vim-9.1>"]
                .map(String::from),
        ),
        (
            &["yum"],
            ["yum <-y> <makecache>", "yum <-y> <upgrade>", "yum <-y> <install> <git> <vim-9.1>"]
                .map(String::from),
        ),
        (
            &["apk"],
            [
                "apk <update>",
                "apk <upgrade> <--update-cache> <--available>",
                "apk <add> <git> <vim=9.1>",
            ]
            .map(String::from),
        ),
        (
            &["zypper"],
            ["refresh>", "update>", "install> <git> <vim=9.1>"]
                .map(|words| format!("zypper <--non-interactive> <{words}")),
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        calls(&format!("packages-{}", tools[0]), config, tools, &expected);
    }
    each_shell(
        "packages-missing",
        "packages: [git, missing, vim]",
        &["apk"],
        |_, shell, output, calls| {
            assert_eq!(
                calls,
                "apk <update>\napk <add> <git> <missing> <vim>\napk <add> <git>\napk <add> \
                 <missing>\napk <add> <vim>\n",
                "{shell}"
            );
            let said = said(output);
            assert!(
                said.contains("the package missing is not installed")
                    && said.contains("packages failed with status 100"),
                "{said}"
            );
            assert_eq!(output.status.code(), Some(1), "{shell}");
        },
    );
    each_shell("packages-none", "packages: [git]", &[], |_, shell, output, _| {
        assert!(
            said(output).contains("none of apt-get, dnf, yum, apk and zypper is there"),
            "{shell}: {}",
            said(output)
        );
    });
}

#[test]
fn keys_rules_and_the_zone_are_written() {
    let config = "
ssh_authorized_keys: [one, two, one, zer]
timezone: Europe/Berlin
users:
- {name: old, lock_passwd: false, ssh_authorized_keys: [it's a key], sudo: ['ALL=(a) /b', 'ALL=(c) \
     /d']}
- {name: was, sudo: ALL=(e) /f}
write_files:
- {path: /etc/sudoers, content: 'root ALL=(ALL:ALL) ALL'}
- {path: DIR/root/.ssh/authorized_keys, content: 'zero', permissions: '0640'}
";
    each_shell("keys", config, &[], |scratch, shell, output, calls| {
        assert!(output.status.success(), "{shell}: {}", said(output));
        for (file, expected) in [
            ("root/.ssh/authorized_keys", "zero\none\ntwo\nzer\n"),
            ("old/.ssh/authorized_keys", "it's a key\n"),
            (
                "etc/sudoers",
                &format!(
                    "root ALL=(ALL:ALL) ALL\n#includedir {}/etc/sudoers.d\n",
                    scratch.0.display()
                ),
            ),
            (
                "etc/sudoers.d/90-cloud-init-users",
                "\n# User rules for old\nold ALL=(a) /b\nold ALL=(c) /d\n\n# User rules for \
                 was\nwas ALL=(e) /f\n",
            ),
            ("etc/timezone", "Europe/Berlin\n"),
            ("etc/localtime", "TZif"),
        ] {
            assert_eq!(scratch.text(file), expected, "{shell}: {file}");
        }
        for (file, expected) in [
            ("root/.ssh/authorized_keys", 0o640),
            ("old/.ssh", 0o700),
            ("old/.ssh/authorized_keys", 0o600),
        ] {
            assert_eq!(mode(&scratch.0.join(file)), expected, "{shell}: {file}");
        }
        assert_eq!(mode(&scratch.0.join("etc/sudoers.d/90-cloud-init-users")), 0o440, "{shell}");
        assert!(calls.contains("chown <7:8> <DIR/old/.ssh/authorized_keys>\n"), "{shell}: {calls}");
    });
}

#[test]
fn nobody_reads_a_file_before_its_mode_is_set() {
    let config = "write_files: [{path: DIR/secret, owner: missing, content: a}]";
    each_shell("secret", config, &[], |scratch, shell, output, _| {
        assert_eq!(
            (output.status.code(), mode(&scratch.0.join("secret"))),
            (Some(1), 0o600),
            "{shell}"
        );
    });
}

#[test]
fn files_are_given_to_their_owners() {
    let config = "write_files:
- {path: DIR/a/b/c, owner: jo:crew}
- {path: DIR/d, owner: 'none'}
- {path: DIR/e, owner: ':crew'}
";
    let expected = "chown <jo:crew> <DIR/a>\nchown <jo:crew> <DIR/a/b>\nchown <jo:crew> \
     <DIR/a/b/c>\nchown <:crew> <DIR/e>\n";
    each_shell("owners", config, &[], |_, shell, output, calls| {
        assert_eq!(calls, expected, "{shell}: {}", said(output));
    });
}
