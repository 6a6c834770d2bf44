//! Pages of lists: `MaxResults` and `NextToken`.
//!
//! A token encodes the last item of the previous page, so that creates and deletes in between do
//! not shift the pages.

use super::super::fault::{Effects, Fault};
use super::params::Params;
use super::problem::{Outcome, Problem};

/// Obfuscates tokens, so that they do not look like plain numbers.
const MASK: u64 = 0x5d58_8b65_6c07_8965;
const CHECK: u64 = 0x2545_f491_4f6c_dd1d;

/// The requested part of a list.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    /// The lowest id on the page.
    pub(super) from: u64,
}

/// A page, and the token of the next one.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<String>,
}

impl Window {
    /// Reads the page parameters; without a page size, the page holds all items.
    pub(super) fn read(
        params: &Params<'_>,
        effects: Effects,
        (least, most): (u32, u32),
    ) -> Outcome<Self> {
        let limit = params.number("MaxResults")?;
        if let Some(limit) = limit.filter(|limit| !(least..=most).contains(limit)) {
            let bound = if limit < least {
                format!("greater than or equal to {least}")
            } else {
                format!("less than or equal to {most}")
            };
            let message = format!(
                "Value ( {limit} ) for parameter maxResults is invalid. Expecting a value {bound}."
            );
            return Err(Problem::value(message));
        }
        let shift = u64::from(!effects.is(Fault::ShiftingPages));
        let from = match params.get("NextToken") {
            Some(token) => last_of(token)?.saturating_add(shift),
            None => 0,
        };
        Ok(Self {
            limit: limit.map_or(usize::MAX, |limit| (limit as usize).min(effects.page)),
            from,
        })
    }

    /// Takes the page from items in the order of their ids.
    pub(super) fn page<T>(&self, all: impl Iterator<Item = (u64, T)>) -> Page<T> {
        let mut rest = all.skip_while(|(id, _)| *id < self.from);
        let mut last = None;
        let items = rest.by_ref().take(self.limit).map(|(id, item)| {
            last = Some(id);
            item
        });
        let items = items.collect();
        let next = last.filter(|_| rest.next().is_some()).map(token_after);
        Page { items, next }
    }
}

fn token_after(last: u64) -> String {
    format!("{:016x}{:016x}", last ^ MASK, last.wrapping_mul(CHECK))
}

fn last_of(token: &str) -> Outcome<u64> {
    let wrong =
        || Problem::new("InvalidPaginationToken", "The specified pagination token is not valid.");
    let (last, check) = token.split_at_checked(16).ok_or_else(wrong)?;
    let read = |text| u64::from_str_radix(text, 16).map_err(|_| wrong());
    let last = read(last)? ^ MASK;
    if read(check)? == last.wrapping_mul(CHECK) { Ok(last) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(limit: usize) -> Vec<Vec<u64>> {
        let mut pages = Vec::new();
        let mut from = 0;
        loop {
            let page = Window { limit, from }.page((1..=7).map(|id| (id * 10, id)));
            pages.push(page.items);
            let Some(token) = page.next else { return pages };
            from = last_of(&token).unwrap() + 1;
        }
    }

    #[test]
    fn pages_hold_everything_once() {
        assert_eq!(all(3), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
        assert_eq!(all(7), [vec![1, 2, 3, 4, 5, 6, 7]]);
        assert_eq!(all(usize::MAX).len(), 1);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in [
            "",
            "x",
            "abc",
            &"0".repeat(32),
            &"é".repeat(16),
            "18446744073709551616",
            &token_after(7)[..31],
        ] {
            assert!(last_of(text).is_err(), "{text}");
        }
        assert_eq!(last_of(&token_after(u64::MAX)), Ok(u64::MAX));
    }
}
