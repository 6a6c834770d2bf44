//! What an instance boots from.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use spuff_core::provider::ImageSpec as Image;

use crate::nouns::Snapshot;
use crate::show::Shown;

/// What an instance boots from: `ImageSpec.ubuntu("24.04")`, `.debian("12")`, `.snapshot(id)`, or
/// `.custom(id)` for the provider's own id or slug. The string forms `"ubuntu:24.04"`,
/// `"debian:12"`, `"snapshot:ID"` do as well.
#[pyclass(frozen, eq, hash, name = "ImageSpec", module = "spuff")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct ImageSpec(pub(crate) Image);

impl ImageSpec {
    /// An image, its text, or a snapshot.
    pub(crate) fn read(given: &Bound<'_, PyAny>) -> PyResult<Image> {
        if let Ok(image) = given.cast::<Self>() {
            return Ok(image.get().0.clone());
        }
        if let Ok(snapshot) = given.cast::<Snapshot>() {
            return Ok(Image::Snapshot(snapshot.get().0.id.clone()));
        }
        let Ok(text) = given.extract::<String>() else {
            return Err(PyTypeError::new_err(
                "image must be an ImageSpec, a Snapshot, or a string such as \"ubuntu:24.04\"",
            ));
        };
        Ok(text.parse().unwrap_or_else(|never| match never {}))
    }

    fn parts(&self) -> (&'static str, &str) {
        match &self.0 {
            Image::Ubuntu(version) => ("ubuntu", version),
            Image::Debian(version) => ("debian", version),
            Image::Custom(id) => ("custom", id),
            Image::Snapshot(id) => ("snapshot", id),
        }
    }
}

#[pymethods]
impl ImageSpec {
    /// Reads `"ubuntu:24.04"`, `"debian:12"`, `"snapshot:ID"`, or the provider's own id.
    #[new]
    #[pyo3(signature = (text="ubuntu:24.04"))]
    fn new(text: &str) -> Self {
        Self(text.parse().unwrap_or_else(|never| match never {}))
    }

    /// An Ubuntu release, such as `24.04`.
    #[staticmethod]
    fn ubuntu(version: String) -> Self {
        Self(Image::Ubuntu(version))
    }

    /// A Debian release, such as `12`.
    #[staticmethod]
    fn debian(version: String) -> Self {
        Self(Image::Debian(version))
    }

    /// The provider's own id or slug.
    #[staticmethod]
    fn custom(id: String) -> Self {
        Self(Image::Custom(id))
    }

    /// The id of a snapshot.
    #[staticmethod]
    fn snapshot(id: String) -> Self {
        Self(Image::Snapshot(id))
    }

    /// `ubuntu`, `debian`, `custom` or `snapshot`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.parts().0
    }

    /// The release, or the id.
    #[getter]
    fn value(&self) -> &str {
        self.parts().1
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (kind, value) = self.parts();
        Ok(Shown::new(py, &format!("ImageSpec.{kind}")).text("", value)?.end())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (&str,))> {
        let (kind, value) = self.parts();
        Ok((py.get_type::<Self>().getattr(kind)?, (value,)))
    }
}
