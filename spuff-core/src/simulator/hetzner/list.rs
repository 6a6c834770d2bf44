//! Lists: sorting, pages, and the pagination metadata.

use std::cmp::Ordering;

use serde::Serialize;

use super::super::backend::{Answer, Asked, page_of};
use super::super::fault::{Effects, Fault};
use super::{input, refusal};

const PER_PAGE: usize = 25;
const MAX_PER_PAGE: usize = 50;

/// The metadata of a page.
#[derive(Serialize)]
pub(super) struct Meta {
    pagination: Pagination,
}

#[derive(Serialize)]
struct Pagination {
    page: usize,
    per_page: usize,
    previous_page: Option<usize>,
    next_page: Option<usize>,
    last_page: usize,
    total_entries: usize,
}

/// A sort key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i64),
    Text(String),
}

/// Sorts items by each `sort` parameter in turn; otherwise keeps their order.
///
/// # Errors
/// The cloud's refusal, if the items cannot be sorted by a field.
pub(super) fn sort<T>(
    asked: &Asked<'_>,
    items: &mut [T],
    key: impl Fn(&T, &str) -> Option<Key>,
) -> Result<(), Answer> {
    let orders: Vec<_> = asked.params("sort").collect();
    // Sorts by the last parameter first: stable sorts keep it as the weakest order.
    for order in orders.iter().rev() {
        let (field, direction) = order.split_once(':').unwrap_or((order, "asc"));
        let wrong = || refusal::invalid_field("sort", &format!("'{order}' is no order of these"));
        if !matches!(direction, "asc" | "desc")
            || items.first().is_some_and(|first| key(first, field).is_none())
        {
            return Err(wrong());
        }
        items.sort_by(|one, other| {
            let ascending = key(one, field).cmp(&key(other, field));
            if direction == "asc" { ascending } else { Ordering::reverse(ascending) }
        });
    }
    Ok(())
}

/// Returns the requested page. With the `ShiftingPages` fault, an unseen item precedes the rest.
///
/// # Errors
/// The cloud's refusal of an invalid page.
pub(super) fn page<T>(
    asked: &Asked<'_>,
    all: Vec<T>,
    effects: Effects,
) -> Result<(Vec<T>, Meta), Answer> {
    let positive = |name: &str, otherwise: usize| match asked.param(name) {
        None => Ok(otherwise),
        Some(text) => match input::number(&text).and_then(|number| usize::try_from(number).ok()) {
            Some(number) if number > 0 => Ok(number),
            _ => Err(refusal::invalid_field(name, "must be greater than or equal to 1")),
        },
    };
    let page = positive("page", 1)?;
    let per_page = positive("per_page", PER_PAGE)?.min(MAX_PER_PAGE).min(effects.page);
    let shift = effects.is(Fault::ShiftingPages);
    let total_entries = all.len() + usize::from(shift);
    let last_page = total_entries.div_ceil(per_page).max(1);
    let pagination = Pagination {
        page,
        per_page,
        previous_page: (page > 1).then(|| page - 1),
        next_page: (page < last_page).then(|| page + 1),
        last_page,
        total_entries,
    };
    Ok((page_of(all, page, per_page, shift), Meta { pagination }))
}
