//! Engines of a test's own, which may be killed.

use std::path::PathBuf;

use super::*;

/// An engine that is gone when this is dropped.
pub(crate) struct Engine {
    folder: PathBuf,
    /// By which container engine it is.
    pub(crate) config: ProviderConfig,
}

fn script(
    variable: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<String, String> {
    let program = std::env::var(variable).expect("run these tests by tests/docker/with");
    let output =
        Command::new(program).args(arguments).envs(environment.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{arguments:?}: {}", text(&output.stderr)))
    }
}

/// An image that is made of a container by the engine's own command, for Docker's gets no answer of
/// Podman; its id.
pub(crate) fn commit(arguments: &[&str]) -> String {
    let folder = std::env::var("SPUFF_TEST_ENGINE_DIR").unwrap();
    script("SPUFF_TEST_ENGINE", &[&["client", &folder, "commit"], arguments].concat(), &[]).unwrap()
}

impl Engine {
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("spuff-e{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let config = config().with_endpoint(format!("unix://{}/engine.sock", folder.display()));
        let engine = Self { folder, config };
        script("SPUFF_TEST_ENGINE", &["start", engine.folder.to_str().unwrap()], environment)
            .unwrap();
        script("SPUFF_TEST_IMAGES", &[engine.folder.to_str().unwrap(), "ubuntu"], &[]).unwrap();
        engine
    }

    /// `stop`, `kill`, `crash` and `start`, as the script says them.
    pub(crate) fn order(&self, order: &str) {
        script("SPUFF_TEST_ENGINE", &[order, self.folder.to_str().unwrap()], &[]).unwrap();
    }

    /// What the engine's own client prints.
    pub(crate) fn client(&self, arguments: &[&str]) -> String {
        self.try_client(arguments).unwrap()
    }

    pub(crate) fn try_client(&self, arguments: &[&str]) -> Result<String, String> {
        script(
            "SPUFF_TEST_ENGINE",
            &[&["client", self.folder.to_str().unwrap()], arguments].concat(),
            &[],
        )
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.order("end");
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}
