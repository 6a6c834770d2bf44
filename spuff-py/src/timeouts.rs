//! How long to wait, and how often to poll.
//!
//! Everything is in seconds.

use std::time::Duration;

use pyo3::prelude::*;
use spuff_core::provider::ProviderTimeouts as Timeouts;

use crate::seconds::Seconds;
use crate::show::Shown;

/// How long to wait, and how often to poll: in seconds, or as `timedelta`.
#[pyclass(frozen, eq, name = "ProviderTimeouts", module = "spuff")]
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct ProviderTimeouts(pub(crate) Timeouts);

impl ProviderTimeouts {
    fn all(&self) -> (f64, f64, f64, f64, f64, f64) {
        let Timeouts {
            instance_ready,
            action_complete,
            poll_interval,
            http_request,
            ssh_connect,
            cloud_init,
        } = self.0;
        let seconds = |time: Duration| time.as_secs_f64();
        (
            seconds(instance_ready),
            seconds(action_complete),
            seconds(poll_interval),
            seconds(http_request),
            seconds(ssh_connect),
            seconds(cloud_init),
        )
    }
}

#[pymethods]
impl ProviderTimeouts {
    #[new]
    #[pyo3(signature = (
        instance_ready=Seconds(Timeouts::default().instance_ready),
        action_complete=Seconds(Timeouts::default().action_complete),
        poll_interval=Seconds(Timeouts::default().poll_interval),
        http_request=Seconds(Timeouts::default().http_request),
        ssh_connect=Seconds(Timeouts::default().ssh_connect),
        cloud_init=Seconds(Timeouts::default().cloud_init)
    ), text_signature = "(instance_ready=300, action_complete=600, poll_interval=5, \
     http_request=30, ssh_connect=300, cloud_init=600)")]
    fn new(
        instance_ready: Seconds,
        action_complete: Seconds,
        poll_interval: Seconds,
        http_request: Seconds,
        ssh_connect: Seconds,
        cloud_init: Seconds,
    ) -> Self {
        Self(Timeouts {
            instance_ready: instance_ready.0,
            action_complete: action_complete.0,
            poll_interval: poll_interval.0,
            http_request: http_request.0,
            ssh_connect: ssh_connect.0,
            cloud_init: cloud_init.0,
        })
    }

    /// For an instance to become ready.
    #[getter]
    fn instance_ready(&self) -> f64 {
        self.0.instance_ready.as_secs_f64()
    }

    /// For an action of the cloud, such as a snapshot.
    #[getter]
    fn action_complete(&self) -> f64 {
        self.0.action_complete.as_secs_f64()
    }

    /// The longest pause between two polls.
    #[getter]
    fn poll_interval(&self) -> f64 {
        self.0.poll_interval.as_secs_f64()
    }

    /// For one HTTP request.
    #[getter]
    fn http_request(&self) -> f64 {
        self.0.http_request.as_secs_f64()
    }

    /// For a caller that connects by SSH. spuff itself does not.
    #[getter]
    fn ssh_connect(&self) -> f64 {
        self.0.ssh_connect.as_secs_f64()
    }

    /// For a caller that waits for cloud-init. spuff itself does not.
    #[getter]
    fn cloud_init(&self) -> f64 {
        self.0.cloud_init.as_secs_f64()
    }

    /// How many polls at `poll_interval` fit into `instance_ready`; at least one.
    #[getter]
    fn instance_ready_attempts(&self) -> u32 {
        self.0.instance_ready_attempts()
    }

    /// How many polls at `poll_interval` fit into `action_complete`; at least one.
    #[getter]
    fn action_complete_attempts(&self) -> u32 {
        self.0.action_complete_attempts()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (ready, action, poll, http, ssh, cloud_init) = self.all();
        let shown = Shown::new(py, "ProviderTimeouts")
            .value("instance_ready", ready)?
            .value("action_complete", action)?;
        let shown = shown.value("poll_interval", poll)?.value("http_request", http)?;
        Ok(shown.value("ssh_connect", ssh)?.value("cloud_init", cloud_init)?.end())
    }

    fn __hash__(&self) -> u64 {
        let (ready, action, poll, http, ssh, cloud_init) = self.all();
        [ready, action, poll, http, ssh, cloud_init]
            .iter()
            .fold(0, |hash: u64, seconds| hash.rotate_left(11) ^ seconds.to_bits())
    }

    fn __getnewargs__(&self) -> (f64, f64, f64, f64, f64, f64) {
        self.all()
    }
}
