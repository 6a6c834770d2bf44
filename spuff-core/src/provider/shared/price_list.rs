//! A cloud's price list, read once for many queries.
//!
//! Each provider module reads its own cloud's list.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::lookup::Lookups;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::price::Price;

/// Prices change a few times a year, with notice.
const FRESH: Duration = Duration::from_secs(3600);

/// The prices of each size by region. A size that costs the same in all regions has the region "".
pub(crate) type List = HashMap<String, Vec<(String, Price)>>;

/// The cached price list of a cloud.
#[derive(Debug)]
pub(crate) struct Prices(Lookups<(), Arc<List>>);

impl Default for Prices {
    fn default() -> Self {
        Self(Lookups::new(FRESH))
    }
}

impl Prices {
    /// Returns the price of a size in a region, or in the most expensive region if `region` is
    /// empty. Reads the list when needed, once for concurrent queries.
    ///
    /// # Errors
    /// [`ProviderError::InvalidConfig`] names `size` or `region` when the list does not contain it.
    pub(crate) async fn find<F>(
        &self,
        region: &str,
        size: &str,
        read: impl FnOnce() -> F,
    ) -> ProviderResult<Price>
    where
        F: Future<Output = ProviderResult<List>>,
    {
        let list = self.0.or_look((), async { read().await.map(Arc::new) }).await?;
        find(&list, region, size)
    }
}

fn find(list: &List, region: &str, size: &str) -> ProviderResult<Price> {
    let offers = list.get(size).filter(|offers| !offers.is_empty()).ok_or_else(|| {
        let message = format!(
            "{size:?} is not in the cloud's price list; use a name from that list, spelled as there"
        );
        ProviderError::invalid_config("size", message)
    })?;
    let there = |place: &str| region.is_empty() || place.is_empty() || place == region;
    let price = offers
        .iter()
        .filter(|(place, _)| there(place))
        .map(|(_, price)| price)
        .max_by_key(|price| price.micros);
    price.cloned().ok_or_else(|| {
        let offered: Vec<_> = offers.iter().map(|(place, _)| place.as_str()).collect();
        let message =
            format!("{size} is not offered in {region:?}; it is in {}", offered.join(", "));
        ProviderError::invalid_config("region", message)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn list() -> List {
        let price = |micros| Price::new(micros, "EUR");
        HashMap::from([
            (
                "cpx11".to_string(),
                vec![("hel1".to_string(), price(7_000)), ("sin".to_string(), price(11_000))],
            ),
            ("s-1vcpu-1gb".to_string(), vec![(String::new(), price(8_930))]),
            ("cx11".to_string(), Vec::new()),
        ])
    }

    #[test]
    fn a_price_is_that_of_the_place_or_of_the_dearest() {
        for (region, size, expected) in [
            ("hel1", "cpx11", Ok(7_000)),
            ("sin", "cpx11", Ok(11_000)),
            ("", "cpx11", Ok(11_000)),
            ("nyc3", "s-1vcpu-1gb", Ok(8_930)),
            ("", "s-1vcpu-1gb", Ok(8_930)),
            ("ash", "cpx11", Err("region")),
            ("hel1", "cx11", Err("size")),
            ("hel1", "CPX11", Err("size")),
        ] {
            let found =
                find(&list(), region, size).map(|price| price.micros).map_err(
                    |error| match error {
                        ProviderError::InvalidConfig { field, .. } => field,
                        other => panic!("{other:?}"),
                    },
                );
            assert_eq!(found, expected.map_err(str::to_string), "{region} {size}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_is_read_once_an_hour_and_again_after_a_failure() {
        let prices = &Prices::default();
        let reads = &AtomicUsize::new(0);
        let ask = |works: bool| async move {
            let read = || async {
                reads.fetch_add(1, Ordering::SeqCst);
                if works { Ok(list()) } else { Err(ProviderError::unavailable("on purpose")) }
            };
            prices.find("sin", "cpx11", read).await.is_ok()
        };
        assert!(!ask(false).await, "a failure is not remembered");
        let many = futures_util::future::join_all((0..10).map(|_| ask(true))).await;
        assert_eq!((many, reads.load(Ordering::SeqCst)), (vec![true; 10], 2));
        tokio::time::advance(FRESH).await;
        assert!(ask(true).await);
        assert_eq!(reads.load(Ordering::SeqCst), 3);
    }
}
