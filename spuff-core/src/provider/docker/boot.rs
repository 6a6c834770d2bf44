//! The first process of an instance: runs its user data once, then idles until the instance ends.

use std::io;

use bollard::errors::Error;
use bollard::query_parameters::UploadToContainerOptionsBuilder;
use bollard::{Docker, body_stream};
use futures_util::stream;
use tar::{Builder, EntryType, Header};

use super::cloud_config::quote;
use super::options::{FOLDER, Variable};
use super::user_data;
use crate::provider::config::InstanceRequest;
use crate::provider::error::{ProviderError, ProviderResult};

/// Exists as soon as the first process has begun.
pub(super) const MARK: &str = "/.spuff/begun";

/// The first process after the init. As with cloud-init, user data that has begun never runs again.
const BOOT: &str = r#"cd /.spuff && : >begun && {
  if [ -f keys ]; then
    umask 077
    # What is there may end without a newline.
    mkdir -p /root/.ssh && { [ ! -s /root/.ssh/authorized_keys ] || echo; cat keys; } >>/root/.ssh/authorized_keys && rm keys
    umask 022
  fi
  [ ! -f environment ] || . /.spuff/environment
  if [ -f "user-data-$1" ] && [ ! -e "begun-$1" ]; then
    : >"begun-$1"
    cd /
    "/.spuff/user-data-$1"
    echo "spuff: the user data has ended with $?"
  fi
}
cd /
trap 'exit 0' TERM INT
while :; do
  sleep 86400 &
  wait $!
done"#;

/// The files uploaded to an instance before its first start.
#[derive(Debug)]
pub(super) struct Boot {
    key_hash: String,
    script: Option<String>,
    keys: Option<String>,
    environment: Option<String>,
}

impl Boot {
    pub(super) fn new(
        request: &InstanceRequest,
        key_hash: &str,
        environment: &[Variable],
    ) -> ProviderResult<Self> {
        let script = match request.user_data.as_deref() {
            Some(text) => user_data::script(text)?.map(|script| script.into_owned()),
            None => None,
        };
        let keys = request
            .ssh_keys
            .iter()
            .map(|key| public_key(key))
            .collect::<ProviderResult<Vec<_>>>()?;
        let keys = Some(keys.concat()).filter(|keys| !keys.is_empty());
        // Some shells exit when a script sets a variable reserved to them, unless by `command`.
        let export = |variable: &Variable| {
            format!("command export {}={}\n", variable.name, quote(&variable.value))
        };
        let environment =
            Some(environment.iter().map(export).collect()).filter(|text: &String| !text.is_empty());
        Ok(Self { key_hash: key_hash.to_string(), script, keys, environment })
    }

    /// Returns the entrypoint of the container.
    pub(super) fn entrypoint(&self) -> Vec<String> {
        ["/bin/sh", "-c", BOOT, "spuff", &self.key_hash].map(str::to_string).to_vec()
    }

    /// Returns the files as a tar archive; `None` if there are none.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] when they cannot be packed.
    pub(super) fn archive(&self) -> ProviderResult<Option<Vec<u8>>> {
        let script = format!("user-data-{}", self.key_hash);
        let files = [
            (script.as_str(), 0o700, &self.script),
            ("keys", 0o600, &self.keys),
            ("environment", 0o600, &self.environment),
        ];
        if files.iter().all(|(_, _, content)| content.is_none()) {
            return Ok(None);
        }
        let mut archive = Builder::new(Vec::new());
        let packed = files.into_iter().try_for_each(|(name, mode, content)| match content {
            Some(content) => append(&mut archive, name, mode, content),
            None => Ok(()),
        });
        let packed = packed.and_then(|()| archive.into_inner());
        packed.map(Some).map_err(|error| {
            ProviderError::invalid_config("user_data", format!("it cannot be packed: {error}"))
        })
    }
}

fn append(archive: &mut Builder<Vec<u8>>, name: &str, mode: u32, content: &str) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, name, content.as_bytes())
}

/// Uploads files to a container.
pub(super) async fn upload(docker: Docker, id: String, archive: Vec<u8>) -> Result<(), Error> {
    let options = UploadToContainerOptionsBuilder::new().path(FOLDER).build();
    // The client would log a whole body.
    docker
        .upload_to_container(&id, Some(options), body_stream(stream::iter([archive.into()])))
        .await
}

/// Returns a line of `authorized_keys`: an engine keeps no keys that a request could name.
fn public_key(key: &str) -> ProviderResult<String> {
    let line = key.trim();
    let is_line = line.split_whitespace().nth(1).is_some() && !line.contains(['\n', '\0']);
    if is_line && ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| line.starts_with(kind)) {
        return Ok(format!("{line}\n"));
    }
    // This may be a private key.
    let begin: String = line.chars().take(8).collect();
    let message = format!(
        "{begin:?}…: an engine stores no keys; give the public key itself, as in a .pub file"
    );
    Err(ProviderError::invalid_config("ssh_keys", message))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB me@example";

    #[test]
    fn files_are_handed_over_with_their_modes() {
        let request = InstanceRequest::new("a", "", "")
            .with_user_data("#!/bin/sh\necho hi\n")
            .with_ssh_key(KEY);
        let environment = [Variable { name: "A".to_string(), value: "it's $B".to_string() }];
        let archive = Boot::new(&request, "n", &environment).unwrap().archive().unwrap().unwrap();
        let mut files = Vec::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let path = entry.path().unwrap().display().to_string();
            files.push((path, entry.header().mode().unwrap(), text));
        }
        let expected = [
            ("user-data-n", 0o700, "#!/bin/sh\necho hi\n".to_string()),
            ("keys", 0o600, format!("{KEY}\n")),
            ("environment", 0o600, "command export A='it'\\''s $B'\n".to_string()),
        ];
        assert_eq!(files, expected.map(|(path, mode, text)| (path.to_string(), mode, text)));
        assert!(
            Boot::new(&InstanceRequest::new("a", "", ""), "n", &[])
                .unwrap()
                .archive()
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn keys_are_keys() {
        for key in ["", "my-key", "42", "ssh-rsa", "ssh-rsa AAAA\nssh-rsa BBBB", "../id.pub x"] {
            let error = public_key(key).unwrap_err();
            assert!(
                matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "ssh_keys"),
                "{key}"
            );
        }
    }
}
