//! The image that an instance boots from, and the device of its root volume.

use super::wire::Image;

/// An image, and the device of its root volume, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BootImage {
    pub(super) id: String,
    pub(super) root_device: Option<String>,
}

impl BootImage {
    pub(super) fn new(image: Image) -> Self {
        let root_device = Some(image.root_device_name)
            .filter(|name| !name.is_empty() && image.root_device_type != "instance-store");
        Self { id: image.image_id, root_device }
    }
}
