//! The list of sizes and what they cost: every page of it, once for all questions.

use serde_json::{Value, json};
use spuff_core::provider::{Provider, ProviderError};
use wiremock::matchers::{method, path, query_param};
use wiremock::{Mock, MockServer};

use super::{provider, reply};

fn size(slug: &str, hourly: f64) -> Value {
    json!({
        "slug": slug, "memory": 1024, "vcpus": 1, "disk": 25, "transfer": 1.0, "price_monthly": 6.0,
        "price_hourly": hourly, "regions": ["nyc3"], "available": true, "description": "Basic"
    })
}

async fn page(server: &MockServer, number: &str, sizes: &[Value], next: bool) {
    let links = if next {
        json!({"pages": {"next": "https://elsewhere.example/v2/sizes?page=2"}})
    } else {
        json!({})
    };
    let asked = Mock::given(method("GET"))
        .and(path("/v2/sizes"))
        .and(query_param("page", number))
        .and(query_param("per_page", "200"));
    let page = asked
        .respond_with(reply(200, json!({"sizes": sizes, "links": links, "meta": {"total": 2}})));
    page.expect(super::support::on_and_back(!next)).mount(server).await;
}

#[tokio::test]
async fn one_reading_of_all_pages_answers_all_questions() {
    let server = MockServer::start().await;
    page(&server, "1", &[size("s-1vcpu-1gb", 0.008_929_999_545_216_56)], true).await;
    page(&server, "2", &[size("gpu-h100x8-640gb", 23.92)], false).await;
    let provider = provider(&server);
    let ask = |region, size| provider.hourly_price(region, size);
    let (one, other) = tokio::join!(ask("nyc3", "s-1vcpu-1gb"), ask("", "gpu-h100x8-640gb"));
    assert_eq!(
        [one.unwrap().to_string(), other.unwrap().to_string()],
        ["0.00893 USD", "23.92 USD"]
    );
    // What a size costs does not hang on whether there is any of it: the create tells that.
    assert_eq!(ask("ams3", "s-1vcpu-1gb").await.unwrap().micros, 8_930);
    for size in ["s-9vcpu", ""] {
        let error = ask("nyc3", size).await.unwrap_err();
        assert!(
            matches!(&error, ProviderError::InvalidConfig { field, .. } if field == "size"),
            "{error:?}"
        );
    }
}
