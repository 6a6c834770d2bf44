//! The price list: one request for all questions, and what it says.

use serde_json::{Value, json};
use spuff_core::provider::{Provider, ProviderError};
use wiremock::MockServer;
use wiremock::matchers::header;

use super::{field, on, provider, refusal, reply};

/// As the API sends it, with what is not read.
fn pricing() -> Value {
    let costs = |net: &str, gross: &str| json!({"net": net, "gross": gross});
    let at = |location: &str, net: &str, gross: &str| {
        json!({
            "location": location, "price_hourly": costs(net, gross),
            "price_monthly": costs("3.2900000000", "3.9151000000"),
            "included_traffic": 21_990_232_555_520_u64,
            "price_per_tb_traffic": costs("1.0000000000", "1.1900000000")
        })
    };
    json!({"pricing": {
        "currency": "EUR", "vat_rate": "19.00",
        "image": {"price_per_gb_month": costs("0.0110", "0.0131")},
        "primary_ips": [{
            "type": "ipv4",
            "prices": [{"location": "fsn1", "price_hourly": costs("0.0008", "0.000952")}]
        }],
        "server_types": [
            {
                "id": 104, "name": "cx22",
                "prices": [at("fsn1", "0.0060000000", "0.0071400000000000")]
            },
            {"id": 22, "name": "cpx11", "prices": [
                at("fsn1", "0.0070000000", "0.0083300000000000"),
                at("sin", "0.0110000000", "0.0130900000000000")
            ]}
        ],
        "load_balancer_types": [], "server_backup": {"percentage": "20.00"},
        "volume": {"price_per_gb_month": costs("0.044", "0.05")}
    }})
}

#[tokio::test]
async fn one_reading_answers_all_questions_net_of_tax() {
    let server = MockServer::start().await;
    let list = reply(200, pricing());
    on("GET", "/pricing")
        .and(header("authorization", "Bearer test-token"))
        .respond_with(list)
        .expect(1)
        .mount(&server)
        .await;
    let provider = provider(&server);
    let ask = |region, size| provider.hourly_price(region, size);
    let (one, other) = tokio::join!(ask("fsn1", "cx22"), ask("sin", "cpx11"));
    assert_eq!([one.unwrap().to_string(), other.unwrap().to_string()], ["0.006 EUR", "0.011 EUR"]);
    assert_eq!(
        provider.clone().hourly_price("", "cpx11").await.unwrap().to_string(),
        "0.011 EUR",
        "the dearest"
    );
    for (region, size, expected) in
        [("sin", "cx22", "region"), ("fsn1", "cx23", "size"), ("fsn1", " ", "size")]
    {
        let error = ask(region, size).await.unwrap_err();
        assert_eq!(field(&error), expected, "{error}");
    }
    assert!(ask("sin", "cx22").await.unwrap_err().to_string().contains("it is in fsn1"));
}

#[tokio::test]
async fn a_list_that_is_refused_is_asked_for_again() {
    let server = MockServer::start().await;
    let refused = refusal(403, "forbidden", "no");
    on("GET", "/pricing").respond_with(refused).up_to_n_times(1).expect(1).mount(&server).await;
    on("GET", "/pricing").respond_with(reply(200, pricing())).expect(1).mount(&server).await;
    let provider = provider(&server);
    let error = provider.hourly_price("fsn1", "cx22").await.unwrap_err();
    assert!(matches!(error, ProviderError::Authentication { .. }), "{error:?}");
    assert_eq!(provider.hourly_price("fsn1", "cx22").await.unwrap().micros, 6_000);
}
