//! Fuzz targets for AWS's configuration files.

use std::fmt::Write;

use super::ini::{self, Section};
use super::{Profiles, resolved, words};
use crate::fuzzing::checks::{check_refusal, text};

/// Reads both files, separated by a line of dashes; the first line names a profile.
pub(in crate::provider::aws) fn read(text: &str) -> Option<Profiles> {
    let (chosen, files) = text.split_once('\n').unwrap_or(("", text));
    let (config, credentials) = files.split_once("\n-----\n").unwrap_or((files, ""));
    let chosen = Some(chosen.to_string()).filter(|chosen| !chosen.is_empty());
    Some(Profiles { chosen, ..Profiles::merged(read_file(config)?, read_file(credentials)?) })
}

fn read_file(file: &str) -> Option<Vec<(String, Section)>> {
    match ini::parse(file) {
        Ok(sections) => {
            assert_eq!(ini::parse(&written(&sections)).as_ref(), Ok(&sections), "{file:?}");
            Some(sections)
        }
        Err(what) => {
            assert!(what.len() < 200 && !what.contains("canary-word"), "{what}");
            None
        }
    }
}

pub(in crate::provider::aws) fn profiles(input: &[u8]) {
    let text = text(input);
    let Some(profiles) = read(&text) else { return };
    let chosen = profiles.name();
    for service in ["ec2", "sso_oidc"] {
        let endpoint = profiles.endpoint_or_variable(service, |_| None);
        assert_eq!(endpoint.is_ok(), check_refusal(endpoint).is_some());
    }
    let _ = (
        profiles.is_missing(),
        profiles.is_chosen(),
        profiles.region(),
        profiles.in_credentials(chosen).is_some(),
    );
    let _ = profiles.profile(chosen).map(|settings| settings.iter().count());
    let _ = (profiles.session(chosen).is_some(), profiles.in_config(chosen).is_some());
    let _ = resolved(
        chosen,
        |name| (name.len() == 4).then(|| "value".to_string()),
        &Some("/home".into()),
    );
}

fn written(sections: &[(String, Section)]) -> String {
    sections.iter().fold(String::new(), |mut text, (title, section)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{title}]");
        for (key, value) in section {
            let _ = writeln!(text, "{key} = {}", value.replace('\n', "\n  "));
        }
        text
    })
}

/// Quoted words parse to the same words.
pub(in crate::provider::aws) fn command_words(input: &[u8]) {
    let text = text(input);
    let _ = words::words(&text);
    #[cfg(windows)]
    let _ = words::windows_words(&text);
    let given: Vec<_> = text.split('\n').map(str::to_string).collect();
    let quoted: Vec<_> =
        given.iter().map(|word| format!("'{}'", word.replace('\'', r#"'"'"'"#))).collect();
    assert_eq!(words::words(&quoted.join(" ")), Some(given));
}
