//! An instance, as it was when the cloud was asked.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use spuff_core::lease;
use spuff_core::provider::{self, ProviderInstance, labels};

use crate::seconds::Moment;
use crate::show::Shown;
use crate::status::InstanceStatus;

/// An address of an instance.
#[pyclass(frozen, eq, hash, name = "Address", module = "spuff", from_py_object)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address(provider::Address);

#[pymethods]
impl Address {
    #[new]
    #[pyo3(signature = (ip, public=true))]
    fn new(ip: &Bound<'_, PyAny>, public: bool) -> PyResult<Self> {
        Ok(Self(provider::Address { ip: address(ip)?, public }))
    }

    /// The address.
    #[getter]
    fn ip(&self) -> IpAddr {
        self.0.ip
    }

    /// Whether it can be reached from the internet.
    #[getter]
    fn public(&self) -> bool {
        self.0.public
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(Shown::new(py, "Address")
            .text("", &self.0.ip.to_string())?
            .value("public", self.0.public)?
            .end())
    }

    fn __getnewargs__(&self) -> (String, bool) {
        (self.0.ip.to_string(), self.0.public)
    }
}

/// An address of the module `ipaddress`, or its text.
fn address(given: &Bound<'_, PyAny>) -> PyResult<IpAddr> {
    let text = given.str()?.to_string();
    text.parse().map_err(|_| PyValueError::new_err(format!("{text:?} is not an IP address")))
}

/// An instance, as it was when the cloud was asked.
#[pyclass(frozen, eq, name = "Instance", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct Instance(pub(crate) ProviderInstance);

#[pymethods]
impl Instance {
    #[new]
    #[pyo3(signature = (
        id, ip=None, status=None, created_at=None, *, name=String::new(), region=String::new(),
        size=String::new(), labels=None, addresses=Vec::new(), adopted=false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn new(
        id: String,
        ip: Option<&Bound<'_, PyAny>>,
        status: Option<&Bound<'_, PyAny>>,
        created_at: Option<Moment>,
        name: String,
        region: String,
        size: String,
        labels: Option<HashMap<String, String>>,
        addresses: Vec<Address>,
        adopted: bool,
    ) -> PyResult<Self> {
        let given = labels.unwrap_or_default();
        let unset = ProviderInstance::default();
        let addresses: Vec<_> = addresses.into_iter().map(|Address(address)| address).collect();
        let ip =
            ip.map(address).transpose()?.unwrap_or_else(|| provider::Address::primary(&addresses));
        let status = status.map(InstanceStatus::read).transpose()?.unwrap_or(unset.status);
        let created_at = created_at.map_or(unset.created_at, |Moment(time)| time);
        Ok(Self(ProviderInstance {
            id,
            ip,
            status,
            created_at,
            name,
            region,
            size,
            labels: given,
            addresses,
            adopted,
        }))
    }

    /// The provider's id.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The public address, IPv4 before IPv6; `0.0.0.0` until there is one.
    #[getter]
    fn ip(&self) -> IpAddr {
        self.0.ip
    }

    /// The state.
    #[getter]
    fn status(&self) -> InstanceStatus {
        InstanceStatus(self.0.status.clone())
    }

    /// When it was created.
    #[getter]
    fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// The name given at creation.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The region or location.
    #[getter]
    fn region(&self) -> &str {
        &self.0.region
    }

    /// The size or type.
    #[getter]
    fn size(&self) -> &str {
        &self.0.size
    }

    /// The labels, with `managed-by`.
    #[getter]
    fn labels(&self) -> HashMap<String, String> {
        self.0.labels.clone()
    }

    /// Every address, public and private.
    #[getter]
    fn addresses(&self) -> Vec<Address> {
        self.0.addresses.iter().copied().map(Address).collect()
    }

    /// Whether `create_instance` returned an existing instance that its `idempotency_key` had made
    /// before.
    #[getter]
    fn adopted(&self) -> bool {
        self.0.adopted
    }

    /// Whether it is active and has a public address.
    #[getter]
    fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Whether it carries `managed-by=spuff`.
    #[getter]
    fn is_managed(&self) -> bool {
        self.0.is_managed()
    }

    /// The owner, if its labels name one.
    #[getter]
    fn owner(&self) -> Option<&str> {
        self.0.labels.get(labels::OWNER).map(String::as_str)
    }

    /// The end of its lease, if it has one.
    #[getter]
    fn expires_at(&self) -> Option<DateTime<Utc>> {
        lease::expires_at(&self.0.labels)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let ProviderInstance { id, ip, status, name, region, size, .. } = &self.0;
        let shown = Shown::new(py, "Instance")
            .text("", id)?
            .text("name", name)?
            .text("status", &status.to_string())?;
        let shown =
            shown.text("ip", &ip.to_string())?.text("region", region)?.text("size", size)?;
        Ok(if self.0.adopted { shown.value("adopted", true)? } else { shown }.end())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.id.hash(&mut hasher);
        hasher.finish()
    }

    #[allow(clippy::type_complexity, reason = "the shape that pickle asks for")]
    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<((&str, String, String, DateTime<Utc>), Bound<'py, PyDict>)> {
        let ProviderInstance { id, ip, status, created_at, name, region, size, labels, .. } =
            &self.0;
        let others = PyDict::new(py);
        for (key, value) in [("name", name), ("region", region), ("size", size)] {
            others.set_item(key, value)?;
        }
        others.set_item("labels", labels)?;
        others.set_item("addresses", self.addresses())?;
        others.set_item("adopted", self.0.adopted)?;
        Ok(((id, ip.to_string(), status.to_string(), *created_at), others))
    }
}
