//! Reads every page of a list, and stops even when the cloud never says "last".

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;

use serde::de::DeserializeOwned;

use super::call::Call;
use super::client::HttpClient;
use crate::provider::error::{ProviderError, ProviderResult};

/// More pages than any account can fill.
const MAX_PAGES: u32 = 10_000;

/// Where to read on. The first page is `Number(1)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    Number(u32),
    Token(String),
}

/// One page, and where the next one is.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<Next>,
}

/// Every item once, in the cloud's order. An item that is seen again because the list shifted while it was read is left
/// out by its `key`.
///
/// Numbered pages end at one that brings nothing new; pages behind a token may be empty and still go on.
pub(crate) async fn all_pages<T, K: Hash + Eq, F>(
    operation: &'static str,
    key: impl Fn(&T) -> K,
    mut fetch: impl FnMut(Next) -> F,
) -> ProviderResult<Vec<T>>
where
    F: Future<Output = ProviderResult<Page<T>>>,
{
    let mut seen = HashSet::new();
    let mut items = Vec::new();
    let mut at = Next::Number(1);
    for _ in 0..MAX_PAGES {
        let mut page = fetch(at.clone()).await?;
        // Most lists are one page, and one page has no item twice.
        if page.next.is_none() && items.is_empty() {
            return Ok(page.items);
        }
        page.items.retain(|item| seen.insert(key(item)));
        let brought = page.items.len();
        items.append(&mut page.items);
        match page.next {
            None => return Ok(items),
            Some(Next::Number(_)) if brought == 0 => return Ok(items),
            Some(next) if next == at => return Err(endless(operation)),
            Some(next) => at = next,
        }
    }
    Err(endless(operation))
}

/// A reply that is one page of a list whose pages are numbered.
pub(crate) trait NumberedPage: DeserializeOwned {
    type Item;

    fn is_last(&self) -> bool;
    fn into_items(self) -> Vec<Self::Item>;
}

/// Every item of a list whose pages are numbered. The address of the next page, where a reply holds one, is not used: its
/// host need not be the one that the token is for.
pub(crate) async fn numbered_pages<P: NumberedPage, K: Hash + Eq>(
    http: &HttpClient,
    call: Call<'_>,
    key: impl Fn(&P::Item) -> K,
) -> ProviderResult<Vec<P::Item>> {
    let call = &call;
    all_pages(call.operation, key, |next| async move {
        let Next::Number(number) = next else { return Ok(Page { items: Vec::new(), next: None }) };
        let page: P = http.json(&call.clone().query("page", number.to_string())).await?;
        let next = (!page.is_last()).then_some(Next::Number(number + 1));
        Ok(Page { items: page.into_items(), next })
    })
    .await
}

fn endless(operation: &str) -> ProviderError {
    ProviderError::Other { message: format!("{operation}: the cloud's list does not end; its pages point at each other") }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn walk(pages: Vec<Page<u32>>) -> (ProviderResult<Vec<u32>>, u32) {
        let mut pages = pages.into_iter();
        let mut reads = 0;
        let result = all_pages(
            "test",
            |item| *item,
            |_| {
                reads += 1;
                let page = pages.next().unwrap_or(Page { items: vec![], next: Some(Next::Number(reads + 1)) });
                async move { Ok(page) }
            },
        )
        .await;
        (result, reads)
    }

    #[tokio::test]
    async fn follows_numbers_and_tokens_to_the_end() {
        let number = |items, next| Page { items, next: Some(Next::Number(next)) };
        let (items, reads) = walk(vec![number(vec![1, 2], 2), number(vec![2, 3], 3), Page { items: vec![4], next: None }]).await;
        assert_eq!((items.unwrap(), reads), (vec![1, 2, 3, 4], 3));
        let token = |items, next: &str| Page { items, next: Some(Next::Token(next.to_string())) };
        let (items, reads) = walk(vec![token(vec![1], "a"), token(vec![], "b"), Page { items: vec![2], next: None }]).await;
        assert_eq!((items.unwrap(), reads), (vec![1, 2], 3));
    }

    #[tokio::test]
    async fn does_not_run_in_circles() {
        let (items, reads) = walk(vec![Page { items: vec![1], next: Some(Next::Number(2)) }]).await;
        assert_eq!((items.unwrap(), reads), (vec![1], 2));
        let circle = || Page { items: vec![], next: Some(Next::Token("a".to_string())) };
        let (items, reads) = walk(vec![circle(), circle(), circle()]).await;
        assert!(items.is_err() && reads == 2);
    }
}
