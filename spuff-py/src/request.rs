//! A request for an instance.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString};
use spuff_core::provider::{InstanceRequest as Request, OnCancel};

use crate::guard;
use crate::image::ImageSpec;
use crate::seconds::Seconds;
use crate::show::Shown;

/// A request for an instance. What is left out is the provider's default.
#[pyclass(frozen, eq, name = "InstanceRequest", module = "spuff")]
#[derive(PartialEq)]
pub(crate) struct InstanceRequest(pub(crate) Request);

impl InstanceRequest {
    /// What an operation is given: a request, also with changes, or a name and the other fields.
    pub(crate) fn read(
        first: Option<&Bound<'_, PyAny>>,
        fields: Option<&Bound<'_, PyDict>>,
        py: Python<'_>,
    ) -> PyResult<Request> {
        Self::placed(first, [None, None], fields, py)
    }

    /// The same, where the region and the size may come after the name.
    pub(crate) fn placed(
        first: Option<&Bound<'_, PyAny>>,
        place: [Option<&str>; 2],
        fields: Option<&Bound<'_, PyDict>>,
        py: Python<'_>,
    ) -> PyResult<Request> {
        let fields = fields.map(|fields| fields.copy()).transpose()?;
        let fields = match (fields, place) {
            (fields, [None, None]) => fields,
            (fields, place) => {
                let fields = fields.unwrap_or_else(|| PyDict::new(py));
                for (key, value) in ["region", "size"].into_iter().zip(place) {
                    let Some(value) = value else { continue };
                    if fields.contains(key)? {
                        return Err(PyTypeError::new_err(format!(
                            "{key} is given twice: by its position, and by its name"
                        )));
                    }
                    fields.set_item(key, value)?;
                }
                Some(fields)
            }
        };
        let fields = fields.as_ref();
        let made = match (first.map(|first| first.cast::<Self>()), fields) {
            (Some(Ok(request)), None) => return Ok(request.get().0.clone()),
            (Some(Ok(request)), Some(changes)) => request.get().replace(py, Some(changes))?,
            (Some(Err(_)), fields) => py.get_type::<Self>().call((first,), fields)?,
            (None, fields) => py.get_type::<Self>().call((), fields)?,
        };
        Ok(made.cast::<Self>()?.get().0.clone())
    }

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Request {
            name, region, size, user_data, labels, ssh_keys, idempotency_key, owner, ..
        } = &self.0;
        let fields = PyDict::new(py);
        for (key, value) in [("name", name), ("region", region), ("size", size)] {
            fields.set_item(key, value)?;
        }
        fields.set_item("image", self.image())?;
        fields.set_item("labels", labels)?;
        fields.set_item("ssh_keys", ssh_keys)?;
        for (key, value) in
            [("user_data", user_data), ("idempotency_key", idempotency_key), ("owner", owner)]
        {
            fields.set_item(key, value)?;
        }
        fields.set_item("ttl", self.ttl())?;
        fields.set_item("on_cancel", self.on_cancel())?;
        Ok(fields)
    }
}

/// A cloud-init document or script: as text, as bytes of UTF-8, or as the path of a file.
struct UserData(String);

impl<'py> FromPyObject<'_, 'py> for UserData {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        if given.is_instance_of::<PyString>() {
            return given.extract().map(Self);
        }
        static PATH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let bytes = if given.is_instance(guard::imported(py, &PATH, "os", "PathLike")?)? {
            guard::method(
                &guard::call(&guard::import(py, "pathlib", "Path")?, (given,))?,
                "read_bytes",
                (),
            )?
        } else if given.is_instance_of::<PyBytes>() || given.is_instance_of::<PyByteArray>() {
            given.to_owned()
        } else {
            let class = given.get_type();
            let message = format!(
                "user_data must be text, bytes of UTF-8, or the path of a file, not {}",
                class.name()?
            );
            return Err(PyTypeError::new_err(message));
        };
        String::from_utf8(bytes.extract::<Vec<u8>>()?).map(Self).map_err(|error| {
            PyValueError::new_err(format!("user_data must be UTF-8 ({})", error.utf8_error()))
        })
    }
}

#[pymethods]
impl InstanceRequest {
    #[new]
    #[pyo3(signature = (
        name, region=String::new(), size=String::new(), *, image=None, user_data=None, labels=None,
        ssh_keys=Vec::new(), idempotency_key=None, owner=None, ttl=None, on_cancel=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
    fn new(
        name: String,
        region: String,
        size: String,
        image: Option<&Bound<'_, PyAny>>,
        user_data: Option<UserData>,
        labels: Option<HashMap<String, String>>,
        ssh_keys: Vec<String>,
        idempotency_key: Option<String>,
        owner: Option<String>,
        ttl: Option<Seconds>,
        on_cancel: Option<&str>,
    ) -> PyResult<Self> {
        let mut request = Request::new(name, region, size);
        request.image = image.map(ImageSpec::read).transpose()?.unwrap_or_default();
        request.labels = labels.unwrap_or_default();
        request.user_data = user_data.map(|UserData(text)| text);
        (request.ssh_keys, request.owner) = (ssh_keys, owner);
        (request.idempotency_key, request.ttl) = (idempotency_key, ttl.map(|Seconds(ttl)| ttl));
        request.on_cancel = match on_cancel {
            None => None,
            Some("destroy") => Some(OnCancel::Destroy),
            Some("keep") => Some(OnCancel::Keep),
            Some(other) => {
                return Err(PyValueError::new_err(format!(
                    "on_cancel must be \"destroy\" or \"keep\", not {other:?}"
                )));
            }
        };
        Ok(Self(request))
    }

    /// The instance's name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// The region or location. Empty: the provider's default.
    #[getter]
    fn region(&self) -> &str {
        &self.0.region
    }

    /// The size or type.
    #[getter]
    fn size(&self) -> &str {
        &self.0.size
    }

    /// The image to boot from.
    #[getter]
    fn image(&self) -> ImageSpec {
        ImageSpec(self.0.image.clone())
    }

    /// A cloud-init document or script.
    #[getter]
    fn user_data(&self) -> Option<&str> {
        self.0.user_data.as_deref()
    }

    /// Labels; `managed-by=spuff` is always added.
    #[getter]
    fn labels(&self) -> HashMap<String, String> {
        self.0.labels.clone()
    }

    /// SSH keys by id, name or fingerprint, as the provider has them.
    #[getter]
    fn ssh_keys(&self) -> Vec<String> {
        self.0.ssh_keys.clone()
    }

    /// The idempotency key.
    #[getter]
    fn idempotency_key(&self) -> Option<&str> {
        self.0.idempotency_key.as_deref()
    }

    /// The owner.
    #[getter]
    fn owner(&self) -> Option<&str> {
        self.0.owner.as_deref()
    }

    /// How many seconds it is leased for.
    #[getter]
    fn ttl(&self) -> Option<f64> {
        self.0.ttl.map(|ttl| ttl.as_secs_f64())
    }

    /// What happens to the instance when its create is cancelled: `"destroy"` or `"keep"`.
    #[getter]
    fn on_cancel(&self) -> Option<&'static str> {
        match self.0.on_cancel {
            Some(OnCancel::Destroy) => Some("destroy"),
            Some(OnCancel::Keep) => Some("keep"),
            _ => None,
        }
    }

    /// The same request with other values for some fields.
    #[pyo3(signature = (**changes))]
    fn replace<'py>(
        &self,
        py: Python<'py>,
        changes: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let fields = self.fields(py)?;
        if let Some(changes) = changes {
            fields.update(changes.as_mapping())?;
        }
        py.get_type::<Self>().call((), Some(&fields))
    }

    #[pyo3(signature = (**changes))]
    fn __replace__<'py>(
        &self,
        py: Python<'py>,
        changes: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.replace(py, changes)
    }

    /// `user_data` is shown by its length only: it often holds secrets.
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Request { name, region, size, image, user_data, labels, ssh_keys, .. } = &self.0;
        let mut shown = Shown::new(py, "InstanceRequest")
            .text("", name)?
            .text("region", region)?
            .text("size", size)?;
        shown = shown.text("image", &image.to_string())?;
        if let Some(user_data) = user_data {
            shown = shown.plain("user_data", format!("<{} bytes>", user_data.len()));
        }
        if !labels.is_empty() {
            shown = shown.value("labels", labels)?;
        }
        if !ssh_keys.is_empty() {
            shown = shown.value("ssh_keys", ssh_keys)?;
        }
        for (key, value) in [("idempotency_key", &self.0.idempotency_key), ("owner", &self.0.owner)]
        {
            shown = shown.text(key, value.as_deref().unwrap_or_default())?;
        }
        if let Some(ttl) = self.ttl() {
            shown = shown.value("ttl", ttl)?;
        }
        Ok(shown.text("on_cancel", self.on_cancel().unwrap_or_default())?.end())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.name.hash(&mut hasher);
        hasher.finish()
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((), Bound<'py, PyDict>)> {
        Ok(((), self.fields(py)?))
    }
}
