//! Placements: the candidates, and the two operations on them, with one body for blocking and
//! asyncio.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use spuff_core::Group;
use spuff_core::placement::{self as core, Placement};
use spuff_core::provider::{ImageSpec as Image, Price as Cost, ProviderResult};

use crate::call::{Call, CallMode, Connected, Source, Subject};
use crate::fleet::{self, Each};
use crate::image::ImageSpec;
use crate::outcome::Outcome;
use crate::placed;
use crate::price::Price;
use crate::provider::Verbs;
use crate::request::InstanceRequest;
use crate::seconds::Seconds;
use crate::show::Shown;

/// A place to try: a provider, and a region and size that it has.
#[pyclass(frozen, name = "Candidate", module = "spuff")]
pub(crate) struct Candidate {
    provider: Py<Verbs>,
    place: Place,
}

#[derive(Clone, PartialEq)]
struct Place {
    region: String,
    size: String,
    price: Option<Cost>,
    image: Option<Image>,
}

#[pymethods]
impl Candidate {
    #[new]
    #[pyo3(signature = (
        provider, region=String::new(), size=String::new(), *, price=None, image=None
    ))]
    fn new(
        provider: Py<Verbs>,
        region: String,
        size: String,
        price: Option<&Bound<'_, PyAny>>,
        image: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (price, image) =
            (price.map(Price::read).transpose()?, image.map(ImageSpec::read).transpose()?);
        Ok(Self { provider, place: Place { region, size, price, image } })
    }

    /// The provider.
    #[getter]
    fn provider(&self, py: Python<'_>) -> Py<Verbs> {
        self.provider.clone_ref(py)
    }

    /// The region or location. Empty: the provider's default.
    #[getter]
    fn region(&self) -> &str {
        &self.place.region
    }

    /// The size or type.
    #[getter]
    fn size(&self) -> &str {
        &self.place.size
    }

    /// The hourly price there; by default the provider's, if there is a ceiling.
    #[getter]
    fn price(&self) -> Option<Price> {
        self.place.price.clone().map(Price)
    }

    /// The image there, where that of the request is another provider's.
    #[getter]
    fn image(&self) -> Option<ImageSpec> {
        self.place.image.clone().map(ImageSpec)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let is_this = |other: &Self| self.provider.is(&other.provider) && self.place == other.place;
        other.cast::<Self>().is_ok_and(|other| is_this(other.get()))
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.provider.as_ptr() as usize, &self.place.region, &self.place.size)
            .into_bound_py_any(py)?
            .hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let Place { region, size, price, image } = &self.place;
        let shown = Shown::new(py, "Candidate")
            .value("", &self.provider)?
            .text("region", region)?
            .text("size", size)?;
        let price = price.as_ref().map(ToString::to_string).unwrap_or_default();
        let image = image.as_ref().map(ToString::to_string).unwrap_or_default();
        Ok(shown.text("price", &price)?.text("image", &image)?.end())
    }
}

/// The candidates, in order, and what they may cost.
struct Places {
    candidates: Vec<(Connected, Place)>,
    max_price: Option<Cost>,
    allow_unknown_price: bool,
}

impl Places {
    fn read(
        candidates: &Bound<'_, PyAny>,
        max_price: Option<&Bound<'_, PyAny>>,
        allow_unknown_price: bool,
    ) -> PyResult<Self> {
        let candidates = fleet::each(candidates, "candidates", "a Candidate", |item| {
            let read = |candidate: &Candidate| {
                (candidate.provider.get().provider().clone(), candidate.place.clone())
            };
            Ok(item.cast::<Candidate>().ok().map(|candidate| read(candidate.get())))
        })?;
        Ok(Self {
            candidates,
            max_price: max_price.map(Price::read).transpose()?,
            allow_unknown_price,
        })
    }
}

impl Source for Places {
    type Given = Placement;

    fn given(&self) -> ProviderResult<Placement> {
        let candidates =
            self.candidates.iter().map(|(provider, Place { region, size, price, image })| {
                let mut candidate =
                    core::Candidate::new(&provider.provider.shared()?, region, size);
                candidate.price.clone_from(price);
                candidate.image.clone_from(image);
                Ok(candidate)
            });
        let mut placement = Placement::new(candidates.collect::<ProviderResult<_>>()?);
        placement.max_price.clone_from(&self.max_price);
        Ok(placement.with_allow_unknown_price(self.allow_unknown_price))
    }

    fn group(&self) -> Group {
        Group::of_all(self.candidates.iter().map(|(provider, _)| &provider.group))
    }
}

impl Outcome for core::Placed {
    fn into_python(self, py: Python<'_>, _: &Subject) -> PyResult<Py<PyAny>> {
        placed::Placed(self).into_py_any(py)
    }
}

impl Outcome for Each<core::Placed> {
    fn into_python(self, py: Python<'_>, subject: &Subject) -> PyResult<Py<PyAny>> {
        Ok(self.into_list(py, subject)?.into_any().unbind())
    }
}

type PyOutcome = PyResult<Py<PyAny>>;

/// The two operations, blocking or for asyncio.
macro_rules! verbs {
    ($mode:expr, $one:ident, $many:ident) => {
        /// Creates an instance at the first candidate that has capacity.
        #[pyfunction]
        #[pyo3(signature = (
            candidates, request=None, /, *, max_price=None, allow_unknown_price=false, timeout=None,
            on_progress=None, **fields
        ))]
        #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
        pub(crate) fn $one(
            py: Python<'_>,
            candidates: &Bound<'_, PyAny>,
            request: Option<&Bound<'_, PyAny>>,
            max_price: Option<&Bound<'_, PyAny>>,
            allow_unknown_price: bool,
            timeout: Option<Seconds>,
            on_progress: Option<Py<PyAny>>,
            fields: Option<&Bound<'_, PyDict>>,
        ) -> PyOutcome {
            let places = Places::read(candidates, max_price, allow_unknown_price)?;
            let request = InstanceRequest::read(request, fields, py)?;
            let call = Call::over($mode, places, "place_instance");
            call.with_timeout(timeout).with_progress(on_progress).run(py, |placement| async move {
                core::place_instance(&placement, &request).await
            })
        }

        /// Creates many instances, each at the first candidate that has capacity. Gives a `Placed`
        /// or an exception for each.
        #[pyfunction]
        #[pyo3(signature = (
            candidates, requests, *, max_price=None, allow_unknown_price=false, concurrency=16,
            on_failure="destroy_failed", wait_ready=false, timeout=None, on_progress=None, **fields
        ))]
        #[allow(clippy::too_many_arguments, reason = "keywords, to its users")]
        pub(crate) fn $many(
            py: Python<'_>,
            candidates: &Bound<'_, PyAny>,
            requests: &Bound<'_, PyAny>,
            max_price: Option<&Bound<'_, PyAny>>,
            allow_unknown_price: bool,
            concurrency: i64,
            on_failure: &str,
            wait_ready: bool,
            timeout: Option<Seconds>,
            on_progress: Option<Py<PyAny>>,
            fields: Option<&Bound<'_, PyDict>>,
        ) -> PyOutcome {
            let places = Places::read(candidates, max_price, allow_unknown_price)?;
            let requests = fleet::requests(requests, fields)?;
            let options = fleet::options(concurrency, on_failure, wait_ready)?;
            let call = Call::over($mode, places, "place_instances").with_timeout(timeout);
            call.with_progress(on_progress).run(py, move |placement| async move {
                let outcomes = core::place_instances(&placement, &requests, options).await;
                Ok(Each { ids: Vec::new(), outcomes })
            })
        }
    };
}

verbs!(CallMode::Blocking, place_instance, place_instances);
verbs!(CallMode::Asyncio, place_instance_async, place_instances_async);
