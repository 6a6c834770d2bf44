//! Converts user data to one script, which a container runs at its first start.

use std::borrow::Cow;

use super::cloud_config;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::shared::validate;

const CLOUD_CONFIG: &str = "#cloud-config";
const WAY_OUT: &str = "begin it with #! for a script, or with the line #cloud-config";

/// Prefixes of other kinds of user data, in lower case, and their names.
const OTHER_KINDS: [(&str, &str); 12] = [
    ("#cloud-config-archive", "a #cloud-config-archive"),
    ("#cloud-config-jsonp", "a #cloud-config-jsonp"),
    ("#include", "an #include list"),
    ("#cloud-boothook", "a #cloud-boothook"),
    ("#part-handler", "a #part-handler"),
    ("#upstart-job", "an #upstart-job"),
    ("## template:", "a template"),
    ("content-type:", "a MIME message"),
    ("mime-version:", "a MIME message"),
    ("from ", "a MIME message"),
    // gzip in base64: a Rust string cannot hold it raw.
    ("h4si", "what is compressed"),
    ("<powershell>", "a script for PowerShell"),
];

/// Converts user data to an executable script, which an instance runs at its first start. Returns
/// `None` if there is nothing to run: for white space, or a cloud-config that asks for nothing.
///
/// Ignores white space before the first line, as cloud-init does. If the first line of a script
/// ends with CRLF, converts all line ends, as cloud-init does: its interpreter would not be found
/// otherwise.
pub(super) fn script(user_data: &str) -> ProviderResult<Option<Cow<'_, str>>> {
    validate::user_data(user_data)?;
    let text = user_data.trim_start();
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with("#!") {
        let is_of_windows =
            text.lines().next().is_some_and(|line| text[line.len()..].starts_with("\r\n"));
        return Ok(Some(if is_of_windows {
            Cow::Owned(text.replace("\r\n", "\n"))
        } else {
            Cow::Borrowed(text)
        }));
    }
    if is_cloud_config(text) {
        // Passed whole, so that errors name the caller's lines.
        return Ok(cloud_config::script(user_data)?.map(Cow::Owned));
    }
    let start: String = text.chars().take(32).collect::<String>().to_ascii_lowercase();
    match OTHER_KINDS.iter().find(|(prefix, _)| start.starts_with(prefix)) {
        Some((_, kind)) => {
            let feature = format!(
                "user_data: {kind} (docker takes a script that begins with #!, or a #cloud-config)"
            );
            Err(ProviderError::NotSupported { feature })
        }
        None => Err(ProviderError::invalid_config(
            "user_data",
            format!("it is neither a script nor a cloud-config: {WAY_OUT}"),
        )),
    }
}

/// The first line may continue after a space, as a YAML comment may.
fn is_cloud_config(text: &str) -> bool {
    let Some((start, rest)) = text.split_at_checked(CLOUD_CONFIG.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(CLOUD_CONFIG)
        && (rest.is_empty() || rest.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_taken_as_they_are() {
        for (user_data, expected) in [
            ("#!/bin/sh\necho hello\n", "#!/bin/sh\necho hello\n"),
            ("#!/bin/sh\nprintf 'a\r\n'\r\n", "#!/bin/sh\nprintf 'a\r\n'\r\n"),
            ("#!/bin/sh\r", "#!/bin/sh\r"),
            ("\n  #!/bin/sh\n", "#!/bin/sh\n"),
        ] {
            assert!(
                matches!(script(user_data), Ok(Some(Cow::Borrowed(found))) if found == expected),
                "{user_data:?}"
            );
        }
    }

    #[test]
    fn scripts_of_windows_find_their_interpreters() {
        for (user_data, expected) in [
            ("#! /usr/bin/env python3\r\n", "#! /usr/bin/env python3\n"),
            ("\r\n#!/bin/sh\r\necho a\r\n\r\necho b\nc\rd", "#!/bin/sh\necho a\n\necho b\nc\rd"),
        ] {
            assert_eq!(script(user_data).unwrap().unwrap(), expected, "{user_data:?}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_none() {
        for user_data in [
            "",
            " \r\n\t",
            "#cloud-config",
            "#cloud-config\n",
            "#cloud-config\n---\n",
            "#cloud-config\n{}\n",
        ] {
            assert!(matches!(script(user_data), Ok(None)), "{user_data:?}");
        }
    }

    #[test]
    fn cloud_configs_are_known_by_their_first_line() {
        for first in [
            "#cloud-config",
            "#cloud-config  \t",
            "#cloud-config\r",
            "\n#cloud-config",
            "#Cloud-Config",
            "#cloud-config x",
        ] {
            let user_data = format!("{first}\nruncmd: [date]\r\n");
            assert!(
                matches!(
                    script(&user_data),
                    Ok(Some(Cow::Owned(text))) if text.starts_with("#!/bin/sh\n")
                ),
                "{first:?}"
            );
        }
    }

    #[test]
    fn other_kinds_are_named() {
        for (user_data, kind) in [
            ("#include\nhttps://example.org/", "#include"),
            ("#include-once\nhttps://example.org/", "#include"),
            ("#cloud-boothook\n#!/bin/sh\n", "#cloud-boothook"),
            ("#cloud-config-archive\n- a", "#cloud-config-archive"),
            ("#cloud-config-jsonp\n[]", "#cloud-config-jsonp"),
            ("#part-handler\n", "#part-handler"),
            ("## template: jinja\n#cloud-config\n", "template"),
            ("Content-Type: multipart/mixed; boundary=\"=\"\nMIME-Version: 1.0\n", "MIME"),
            ("MIME-Version: 1.0\n", "MIME"),
            ("H4sIAAAAAAAA/0vOyS9N0U3Oz0vLTOcCAA", "compressed"),
        ] {
            let error = script(user_data).unwrap_err();
            assert!(matches!(error, ProviderError::NotSupported { .. }), "{user_data:?}: {error}");
            assert!(
                error.to_string().contains(kind) && error.to_string().contains("#cloud-config"),
                "{error}"
            );
        }
        for (user_data, part) in [
            ("echo hello", "begin it with #!"),
            ("runcmd: [date]", "#cloud-config"),
            ("#cloud-configs\n", "#cloud-config"),
            ("# cloud-config\n", "#cloud-config"),
            ("\u{feff}#cloud-config\n", "byte order mark"),
            ("é", "begin it with #!"),
        ] {
            let error = script(user_data).unwrap_err();
            let text = error.to_string();
            assert!(
                matches!(
                    &error,
                    ProviderError::InvalidConfig { field, .. } if field == "user_data"
                ),
                "{user_data:?}"
            );
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
}
