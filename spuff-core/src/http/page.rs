//! Reads every page of a list, and stops even if the cloud never marks a last one.

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;

use serde::de::DeserializeOwned;
use tracing::debug;

use super::call::Call;
use super::client::HttpClient;
use crate::provider::error::{ProviderError, ProviderResult};
use crate::provider::operation::Operation;

/// More pages than any account can fill.
const MAX_PAGES: u32 = 10_000;
/// After this many pages in a row without a new item, the pages go in a circle: a list does not
/// shift by as much between two requests.
const MAX_STALE: u32 = 10;
/// How often a list is read that shifts during the read.
const READS: u32 = 4;

/// One page, and the token of the next one.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// Returns every item once, in the cloud's order, of a list whose pages are linked by tokens. An
/// empty page may still have a next one.
pub(crate) async fn all_pages<T, K: Hash + Eq, F>(
    operation: Operation,
    key: impl Fn(&T) -> K,
    mut fetch: impl FnMut(Option<String>) -> F,
) -> ProviderResult<Vec<T>>
where
    F: Future<Output = ProviderResult<Page<T>>>,
{
    let mut seen = HashSet::new();
    let mut tokens = HashSet::new();
    let mut items = Vec::new();
    let mut at = None;
    let mut stale = 0;
    for _ in 0..MAX_PAGES {
        let mut page = fetch(at).await?;
        // Most lists are one page, and one page has no item twice.
        if page.next.is_none() && items.is_empty() {
            return Ok(page.items);
        }
        let is_empty = page.items.is_empty();
        page.items.retain(|item| seen.insert(key(item)));
        stale = if is_empty || !page.items.is_empty() { 0 } else { stale + 1 };
        items.append(&mut page.items);
        match page.next {
            None => return Ok(items),
            Some(next) if stale < MAX_STALE && tokens.insert(next.clone()) => at = Some(next),
            Some(_) => break,
        }
    }
    Err(endless(operation))
}

/// A reply that is one page of a list whose pages are numbered.
pub(crate) trait NumberedPage: DeserializeOwned {
    type Item;

    fn is_last(&self) -> bool;
    /// The number of items in the whole list, if the page states it.
    fn total(&self) -> Option<u64>;
    fn into_items(self) -> Vec<Self::Item>;
}

/// Returns every item of a list with numbered pages. A next page's URL in a reply is not used: its
/// host may not be the token's.
pub(crate) async fn numbered_pages<P: NumberedPage, K: Hash + Eq>(
    http: &HttpClient,
    call: Call<'_>,
    key: impl Fn(&P::Item) -> K,
) -> ProviderResult<Vec<P::Item>> {
    let own = http.errand();
    let call = &call;
    let errand = call.errand.unwrap_or(&own);
    let fetch = |number: u32| async move {
        let page: P =
            http.json(&call.clone().within(errand).query("page", number.to_string())).await?;
        Ok(Numbered { is_last: page.is_last(), total: page.total(), items: page.into_items() })
    };
    all_numbered(call.operation, call.one_pass, key, fetch).await
}

pub(super) struct Numbered<T> {
    pub(super) items: Vec<T>,
    pub(super) is_last: bool,
    pub(super) total: Option<u64>,
}

/// The pages of a list, as read so far.
struct Reading<T, K> {
    items: Vec<T>,
    seen: HashSet<K>,
    total: Option<u64>,
    /// Whether every page reported the same total.
    is_still: bool,
}

impl<T, K: Hash + Eq> Reading<T, K> {
    /// Takes the new items of a page, and returns whether there were any.
    fn take(&mut self, mut page: Numbered<T>, key: impl Fn(&T) -> K) -> bool {
        page.items.retain(|item| self.seen.insert(key(item)));
        self.is_still &= page.total == self.total;
        self.total = page.total;
        let is_new = !page.items.is_empty();
        self.items.append(&mut page.items);
        is_new
    }

    /// Whether the list did not change during the read, as far as the pages show.
    fn is_whole(&self) -> bool {
        self.is_still && self.total.is_none_or(|total| total == self.items.len() as u64)
    }
}

/// A list may shift while it is read. An item that moves forward, because one before it has ended,
/// is missed by reading on; one that moves back is missed by reading backwards. So the pages are
/// read to the last and back to the first: only an item that moves forward and then back can be
/// missed. The total reveals many other changes, and then the list is read again. If it never stays
/// still, all items seen are returned: an ended one does less harm than a missed one.
///
/// In one pass, the pages are read to the last and no further.
pub(super) async fn all_numbered<T, K: Hash + Eq, F>(
    operation: Operation,
    one_pass: bool,
    key: impl Fn(&T) -> K,
    mut fetch: impl FnMut(u32) -> F,
) -> ProviderResult<Vec<T>>
where
    F: Future<Output = ProviderResult<Numbered<T>>>,
{
    let mut before: Vec<T> = Vec::new();
    for again in 1..=READS {
        let first = fetch(1).await?;
        // Most lists are one page, which shows a single moment.
        if first.is_last {
            return Ok(first.items);
        }
        let (mut reading, last) = read_on(operation, &key, first, &mut fetch).await?;
        if one_pass {
            return Ok(reading.items);
        }
        for number in (1..last).rev() {
            reading.take(fetch(number).await?, &key);
        }
        if reading.is_whole() {
            return Ok(reading.items);
        }
        debug!(operation = operation.as_str(), again, "the list changed while it was read");
        before.retain(|item| !reading.seen.contains(&key(item)));
        before.extend(reading.items);
    }
    Ok(before)
}

/// Reads the pages after the first, and returns the number of the last one too. Only an empty page
/// or the cloud's own mark is the end: a page without new items may be the previous one again,
/// because as many items appeared in front.
async fn read_on<T, K: Hash + Eq, F>(
    operation: Operation,
    key: &impl Fn(&T) -> K,
    first: Numbered<T>,
    fetch: &mut impl FnMut(u32) -> F,
) -> ProviderResult<(Reading<T, K>, u32)>
where
    F: Future<Output = ProviderResult<Numbered<T>>>,
{
    let mut reading =
        Reading { items: Vec::new(), seen: HashSet::new(), total: first.total, is_still: true };
    let mut page = first;
    let mut stale = 0;
    for number in 1..MAX_PAGES {
        let is_end = page.is_last || page.items.is_empty();
        stale = if reading.take(page, key) { 0 } else { stale + 1 };
        if is_end {
            return Ok((reading, number));
        }
        if stale == MAX_STALE {
            break;
        }
        page = fetch(number + 1).await?;
    }
    Err(endless(operation))
}

fn endless(operation: Operation) -> ProviderError {
    ProviderError::Other {
        message: format!("{operation}: the list does not end: its pages link to each other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn walk(pages: Vec<(Vec<u32>, Option<&str>)>) -> (ProviderResult<Vec<u32>>, u32) {
        let mut pages = pages.into_iter();
        let mut reads = 0;
        let fetch = |_| {
            reads += 1;
            let (items, next) = pages.next().unwrap_or_default();
            async move { Ok(Page { items, next: next.map(str::to_string) }) }
        };
        (all_pages(Operation::ListInstances, |item| *item, fetch).await, reads)
    }

    #[tokio::test]
    async fn follows_tokens_to_the_end() {
        let (items, reads) =
            walk(vec![(vec![1], Some("a")), (vec![], Some("b")), (vec![1, 2], None)]).await;
        assert_eq!((items.unwrap(), reads), (vec![1, 2], 3));
        let (items, reads) =
            walk(vec![(vec![], Some("a")), (vec![], Some("a")), (vec![], Some("a"))]).await;
        assert!(items.is_err() && reads == 2, "it runs in circles");
        let (items, reads) =
            walk(vec![(vec![1], Some("a")), (vec![], Some("b")), (vec![], Some("a"))]).await;
        assert!(items.is_err() && reads == 3, "in a wider one");
        let tokens: Vec<_> = (0..100).map(|at| at.to_string()).collect();
        let (items, reads) =
            walk(tokens.iter().map(|token| (vec![1], Some(token.as_str()))).collect()).await;
        assert!(items.is_err() && reads == 11, "always new tokens, and nothing else new");
    }

    /// A list of pages of two, which changes before each request.
    async fn read(
        list: Vec<u32>,
        mut change: impl FnMut(u32, &mut Vec<u32>),
        is_counted: bool,
    ) -> (Vec<u32>, u32) {
        let mut list = list;
        let mut reads = 0;
        let fetch = |number: u32| {
            reads += 1;
            change(reads, &mut list);
            let from = (number as usize - 1) * 2;
            let items: Vec<_> = list.iter().copied().skip(from).take(2).collect();
            let page = Numbered {
                is_last: from + 2 >= list.len(),
                total: is_counted.then_some(list.len() as u64),
                items,
            };
            async move { Ok(page) }
        };
        (all_numbered(Operation::ListInstances, false, |item| *item, fetch).await.unwrap(), reads)
    }

    #[tokio::test]
    async fn in_one_pass_each_page_is_read_once() {
        let reads = std::cell::RefCell::new(Vec::new());
        let fetch = |number: u32| {
            reads.borrow_mut().push(number);
            let page = Numbered { items: vec![number], is_last: number == 3, total: Some(9) };
            async move { Ok(page) }
        };
        assert_eq!(
            all_numbered(Operation::ListInstances, true, |item| *item, fetch).await.unwrap(),
            [1, 2, 3]
        );
        assert_eq!(reads.into_inner(), [1, 2, 3]);
    }

    #[tokio::test]
    async fn a_list_that_stands_still_is_read_on_and_back() {
        for is_counted in [true, false] {
            for (last, expected) in [(0, 1), (1, 1), (2, 1), (3, 3), (4, 3), (5, 5)] {
                let list: Vec<_> = (1..=last).collect();
                assert_eq!(read(list.clone(), |_, _| (), is_counted).await, (list, expected));
            }
        }
    }

    #[tokio::test]
    async fn a_page_that_brings_nothing_new_is_not_the_end() {
        // A whole page of items has appeared in front.
        let appear = |reads, list: &mut Vec<u32>| {
            if reads == 2 {
                list.splice(0..0, [7, 6]);
            }
        };
        // Without a total, nothing shows that there are more items now, and the list is not read
        // again.
        for (is_counted, expected) in
            [(true, vec![7, 6, 5, 4, 3, 2, 1]), (false, vec![5, 4, 3, 2, 1, 7, 6])]
        {
            assert_eq!(read(vec![5, 4, 3, 2, 1], appear, is_counted).await.0, expected);
        }
    }

    #[tokio::test]
    async fn what_moves_to_a_page_that_was_read_is_not_missed() {
        // Three end while the list is read.
        let end = |reads, list: &mut Vec<u32>| {
            if reads == 2 {
                list.retain(|item| *item > 3);
            }
        };
        assert_eq!(read(vec![1, 2, 3, 4, 5, 6, 7], end, true).await.0, [4, 5, 6, 7]);
    }

    #[tokio::test]
    async fn what_moves_while_as_many_come_as_go_is_not_missed() {
        for is_counted in [true, false] {
            for at in 2..=5 {
                // One item ends and another is appended, so that the total stays and each moves
                // forward.
                let forward = |reads, list: &mut Vec<u32>| {
                    if reads == at {
                        list.remove(0);
                        list.push(6);
                    }
                };
                // Now one is added in front, so that each moves back.
                let back = |reads, list: &mut Vec<u32>| {
                    if reads == at {
                        list.remove(4);
                        list.insert(0, 6);
                    }
                };
                let moved = [
                    read(vec![1, 2, 3, 4, 5], forward, is_counted).await.0,
                    read(vec![1, 2, 3, 4, 5], back, is_counted).await.0,
                ];
                assert!((2..=5).all(|stays| moved[0].contains(&stays)), "{at}: {moved:?}");
                assert!((1..=4).all(|stays| moved[1].contains(&stays)), "{at}: {moved:?}");
            }
        }
    }

    #[tokio::test]
    async fn of_a_list_that_never_stands_still_all_is_given_that_was_shown() {
        let end = |_, list: &mut Vec<u32>| {
            list.remove(0);
        };
        let (items, reads) = read((1..=300).collect(), end, true).await;
        assert_eq!(reads, 199 + 67 + 23 + 7, "four times, on and back");
        assert!((297..=300).all(|stays| items.contains(&stays)), "{items:?}");
    }

    #[tokio::test]
    async fn does_not_run_in_circles() {
        let mut reads = 0;
        let fetch = |_| {
            reads += 1;
            async { Ok(Numbered { items: vec![1], is_last: false, total: None }) }
        };
        assert!(
            all_numbered(Operation::ListInstances, false, |item| *item, fetch).await.is_err()
                && reads == 11
        );
    }
}
