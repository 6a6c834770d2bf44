//! Ceilings, and what the clouds say that an hour costs.

use spuff_core::placement::place_instance;
use spuff_core::provider::{AttemptOutcome, ErrorKind, Price, PriceSource};
use spuff_core::simulator::Fault;

use super::*;

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

/// How often a list of prices was read.
fn lists_read(cloud: &Cloud, name: &str) -> u64 {
    let is_list = |path: &str| path.starts_with("/v1/pricing") || path.starts_with("/v2/sizes");
    cloud.requests().iter().filter(|asked| asked.provider == name && is_list(&asked.path)).count()
        as u64
}

#[tokio::test]
async fn the_clouds_say_what_an_hour_costs() {
    let cloud = cloud();
    for (name, region, size, expected) in [
        ("hetzner", "fsn1", "cx22", Ok("0.006 EUR")),
        ("hetzner", "hil", "cpx11", Ok("0.008 EUR")),
        ("hetzner", "", "cpx11", Ok("0.011 EUR")),
        ("hetzner", "ash", "cx22", Err("region")),
        ("hetzner", "fsn1", "cx99", Err("size")),
        ("hetzner", "fsn1", "", Err("size")),
        ("digitalocean", "nyc3", "s-1vcpu-1gb", Ok("0.00893 USD")),
        ("digitalocean", "", "gpu-h100x8-640gb", Ok("23.92 USD")),
        ("digitalocean", "nyc3", "m-1", Err("size")),
        ("aws", "us-east-1", "t3.micro", Err("")),
    ] {
        let found = provider(&cloud, name).hourly_price(region, size).await;
        match (found, expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!(
                    (found.to_string().as_str(), found.source),
                    (expected, PriceSource::Catalogue),
                    "{name} {size}"
                );
            }
            (Err(ProviderError::InvalidConfig { field, .. }), Err(expected)) => {
                assert_eq!(field, expected, "{name} {size}")
            }
            (Err(error @ ProviderError::NotSupported { .. }), Err("")) => {
                assert!(error.to_string().contains("give the price yourself"), "{error}");
            }
            (found, _) => panic!("{name} {region} {size}: {found:?}"),
        }
    }
    let config = cloud.config("hetzner").with_region("hel1");
    let at_home = ProviderRegistry::with_defaults().connect("hetzner", config).unwrap();
    assert_eq!(at_home.hourly_price("", "cpx11").await.unwrap().to_string(), "0.007 EUR");
}

#[tokio::test]
async fn what_costs_more_is_not_asked_for() {
    for (most, expected) in [
        ("0.006 EUR", Ok(0)),
        ("1 EUR", Ok(0)),
        ("0.0056 EUR", Ok(1)),
        ("0.005599 EUR", Err(ErrorKind::InvalidConfig)),
        ("0 EUR", Err(ErrorKind::InvalidConfig)),
    ] {
        let cloud = cloud();
        let hetzner = provider(&cloud, "hetzner");
        let candidates = ["cx22", "cx23"].map(|size| Candidate::new(&hetzner, "fsn1", size));
        let placement = Placement::new(candidates.into()).with_max_price(price(most));
        let placed = place_instance(&placement, &request("web-1")).await;
        assert_eq!(lists_read(&cloud, "hetzner"), 1, "one reading for both");
        match expected {
            Ok(candidate) => {
                let placed = placed.unwrap();
                assert_eq!(
                    (placed.candidate, creates(&cloud, "hetzner")),
                    (candidate, 1),
                    "{most}"
                );
                let prices: Vec<_> =
                    placed.attempts.iter().filter_map(|attempt| attempt.price.as_ref()).collect();
                let shown: Vec<_> = prices.iter().map(ToString::to_string).collect();
                assert_eq!(shown, ["0.006 EUR", "0.0056 EUR"][..=candidate], "{most}");
                assert!(prices.iter().all(|price| price.source == PriceSource::Catalogue));
            }
            Err(kind) => {
                let error = placed.unwrap_err();
                let (source, attempts) = not_placed(&error);
                assert!(
                    matches!(
                        source,
                        ProviderError::InvalidConfig { field, .. } if field == "max_price"
                    ),
                    "{source:?}"
                );
                assert_eq!((error.kind(), creates(&cloud, "hetzner")), (kind, 0), "{most}");
                assert_eq!(
                    log(attempts),
                    ["cx22", "cx23"].map(|size| format!("hetzner fsn1 {size}: too dear"))
                );
                assert!(
                    attempts
                        .iter()
                        .all(|attempt| attempt.kind.is_none() && attempt.message.ends_with(most)),
                    "{error}"
                );
            }
        }
    }
}

#[tokio::test]
async fn out_of_stock_tells_more_than_a_price() {
    let cloud = cloud();
    cloud.inject(Fault::CapacityOut.everywhere().at("hetzner").on(Route::CreateInstance));
    let hetzner = provider(&cloud, "hetzner");
    let candidates = ["cx23", "cx42"].map(|size| Candidate::new(&hetzner, "fsn1", size));
    let placement = Placement::new(candidates.into()).with_max_price(price("0.0056 EUR"));
    let error = place_instance(&placement, &request("web-1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Capacity);
    assert_eq!(
        log(not_placed(&error).1),
        ["hetzner fsn1 cx23: full", "hetzner fsn1 cx42: too dear"]
    );
}

#[tokio::test]
async fn a_price_that_nobody_knows_is_too_dear_unless_allowed_or_given() {
    let most = "0.012 USD";
    let first = |change: fn(Candidate) -> Candidate, allow| {
        let cloud = cloud();
        let candidates = vec![change(candidate(&cloud, "aws")), candidate(&cloud, "digitalocean")];
        let placement =
            Placement::new(candidates).with_max_price(price(most)).with_allow_unknown_price(allow);
        async move {
            let placed = place_instance(&placement, &request("web-1")).await.unwrap();
            assert_eq!(creates(&cloud, "aws") == 1, placed.candidate == 0);
            (placed.candidate, placed.attempts[0].clone())
        }
    };
    let (candidate, unknown) = first(|aws| aws, false).await;
    assert_eq!(
        (candidate, unknown.outcome, unknown.price),
        (1, AttemptOutcome::PriceUnknown, None)
    );
    assert!(
        unknown.message.contains("let the placement allow unknown prices"),
        "{}",
        unknown.message
    );
    let (candidate, allowed) = first(|aws| aws, true).await;
    assert_eq!((candidate, allowed.price), (0, None));
    let (candidate, given) = first(|aws| aws.with_price(Price::new(10_400, "USD")), false).await;
    assert_eq!((candidate, given.price), (0, Some(price("0.0104 USD"))));
    let (candidate, dear) = first(|aws| aws.with_price(Price::new(12_001, "USD")), true).await;
    assert_eq!((candidate, dear.outcome), (1, AttemptOutcome::TooDear));
}

#[tokio::test]
async fn two_currencies_are_an_error_before_anything_is_made() {
    let cloud = cloud();
    let ceiling = |placement: Placement| placement.with_max_price(price("0.01 EUR"));
    let told = |error: ProviderError| {
        let ProviderError::InvalidConfig { field, message } = error else { panic!("{error:?}") };
        assert_eq!(field, "max_price");
        assert!(["EUR", "USD"].iter().all(|currency| message.contains(currency)), "{message}");
        message
    };
    // The first would do: the list is looked at as a whole.
    let listed = ceiling(placement(&cloud, &["hetzner", "digitalocean"]));
    let message = told(place_instance(&listed, &request("web-1")).await.unwrap_err());
    assert!(message.contains("digitalocean nyc3 s-1vcpu-1gb costs 0.00893 USD"), "{message}");
    assert_eq!((creates(&cloud, "hetzner"), creates(&cloud, "digitalocean")), (0, 0));

    let before = cloud.requests().len();
    let given = candidate(&cloud, "aws").with_price(price("0.0104 USD"));
    let given = ceiling(Placement::new(vec![candidate(&cloud, "hetzner"), given]));
    told(place_instance(&given, &request("web-1")).await.unwrap_err());
    assert_eq!(cloud.requests().len(), before, "of a price that was given nobody need be asked");

    // What the cloud says in dollars, the caller may say in euros.
    let converted = candidate(&cloud, "digitalocean").with_price(price("0.0077 EUR"));
    let placed =
        place_instance(&ceiling(Placement::new(vec![converted])), &request("web-1")).await.unwrap();
    assert_eq!(placed.attempts[0].price, Some(price("0.0077 EUR")));
}

#[tokio::test]
async fn a_list_that_cannot_be_read_ends_it_when_its_turn_comes() {
    for (names, lists, placed) in
        [(["hetzner", "digitalocean"], 0, false), (["digitalocean", "hetzner"], 1, true)]
    {
        let cloud = cloud();
        cloud.inject(Fault::Unauthorized.everywhere().at("hetzner").on(Route::Catalogue));
        let placement = placement(&cloud, &names).with_max_price(price("1 USD"));
        match place_instance(&placement, &request("web-1")).await {
            Ok(found) => assert_eq!((placed, found.candidate), (true, 0)),
            Err(error) => {
                assert_eq!((placed, error.kind()), (false, ErrorKind::Authentication));
                assert_eq!(log(not_placed(&error).1), ["hetzner fsn1 cx22: failed"]);
            }
        }
        assert_eq!((creates(&cloud, "hetzner"), creates(&cloud, "digitalocean")), (0, lists));
    }
}

#[tokio::test]
async fn without_a_ceiling_no_list_is_read() {
    let cloud = cloud();
    let placed =
        place_instance(&placement(&cloud, &["digitalocean"]), &request("web-1")).await.unwrap();
    assert_eq!((placed.attempts[0].price.as_ref(), lists_read(&cloud, "digitalocean")), (None, 0));
}
