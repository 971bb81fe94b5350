use billing_portal::stripe::calls::checkout::{self, CheckoutDiscount, CheckoutLine, NewCheckout};
use billing_portal::stripe::calls::subscriptions::{self, ItemChange, Proration, SubscriptionChange};
use billing_portal::stripe::calls::{catalog, customers, events, invoices, portal};
use billing_portal::stripe::snapshot::Subscription;
use billing_portal::stripe::{Budget, Error, Key};

use super::stripe;
use crate::support::script::{Asked, Script, answer};

const SUBSCRIPTION: &str = r#"{"id":"sub_1","customer":"cus_1","status":"active","currency":"eur","items":{"data":[]},
    "livemode":false,"created":1,"start_date":1,"cancel_at":99}"#;

/// The decoded pairs of a form or query, one a line.
fn pairs(text: &str) -> Vec<String> {
    form_urlencoded::parse(text.as_bytes()).map(|(name, value)| format!("{name}={value}")).collect()
}

fn asks(asked: &Asked, line: &str, expected: &[&str]) {
    assert_eq!(asked.line, line);
    let pairs = pairs(&asked.body);
    for pair in expected {
        assert!(pairs.iter().any(|p| p == pair), "{pair} is missing in {pairs:#?}");
    }
}

fn checkout() -> NewCheckout {
    NewCheckout {
        customer: "cus_1".parse().unwrap(),
        tenant_id: "t1".into(),
        reference: "row-1".into(),
        lines: vec![
            CheckoutLine { price: "price_1".parse().unwrap(), quantity: Some(3) },
            CheckoutLine { price: "price_tokens".parse().unwrap(), quantity: None },
        ],
        currency: Some("usd".parse().unwrap()),
        trial_days: Some(14),
        discount: CheckoutDiscount::AskForCode,
        automatic_tax: true,
        locale: "es".into(),
        success_url: "https://portal.example/return?session={CHECKOUT_SESSION_ID}".into(),
        cancel_url: "https://portal.example/plans".into(),
        expires_at: 1_700_001_800,
    }
}

#[tokio::test]
async fn checkout_asks_for_everything_that_subscribing_needs() {
    let session = r#"{"id":"cs_1","mode":"subscription","created":1,"expires_at":2,"url":"https://checkout.stripe.com/c/pay/cs_1","status":"open"}"#;
    let script = Script::start(vec![answer(200, &[], session); 2]).await;
    let stripe = stripe(&script);
    let key = Key::new("checkout-row-1").unwrap();
    checkout::create(&stripe, &checkout(), &key, Budget::page()).await.unwrap();
    let asked = &script.asked()[0];
    let expected = [
        "mode=subscription",
        "customer=cus_1",
        "client_reference_id=row-1",
        "line_items[0][price]=price_1",
        "line_items[0][quantity]=3",
        "line_items[1][price]=price_tokens",
        "currency=usd",
        "subscription_data[metadata][tenant_id]=t1",
        "subscription_data[metadata][checkout]=row-1",
        "subscription_data[trial_period_days]=14",
        "subscription_data[trial_settings][end_behavior][missing_payment_method]=cancel",
        "metadata[tenant_id]=t1",
        "allow_promotion_codes=true",
        "billing_address_collection=required",
        "customer_update[address]=auto",
        "customer_update[name]=auto",
        "tax_id_collection[enabled]=true",
        "automatic_tax[enabled]=true",
        "payment_method_collection=always",
        "locale=es",
        "success_url=https://portal.example/return?session={CHECKOUT_SESSION_ID}",
        "cancel_url=https://portal.example/plans",
        "expires_at=1700001800",
    ];
    asks(asked, "POST /v1/checkout/sessions", &expected);
    assert!(!asked.body.contains("line_items[1][quantity]"), "a metered price has no quantity");

    let coupon = NewCheckout {
        discount: CheckoutDiscount::Coupon("50OFF".parse().unwrap()),
        trial_days: None,
        ..checkout()
    };
    checkout::create(&stripe, &coupon, &key, Budget::page()).await.unwrap();
    let body = &script.asked()[1].body;
    assert!(pairs(body).contains(&"discounts[0][coupon]=50OFF".to_owned()));
    assert!(!body.contains("allow_promotion_codes") && !body.contains("trial"), "{body}");
}

#[test]
fn what_checkout_is_asked_survives_storage() {
    let stored = serde_json::to_string(&checkout()).unwrap();
    assert_eq!(serde_json::from_str::<NewCheckout>(&stored).unwrap(), checkout());
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let page = |id: &str, more: bool| {
        answer(
            200,
            &[],
            &format!(
                r#"{{"data":[{{"id":"{id}","name":"A","active":true,"livemode":false}}],"has_more":{more}}}"#
            ),
        )
    };
    let script = Script::start(vec![page("prod_1", true), page("prod_2", true), page("prod_3", false)]).await;
    let products = catalog::products(&stripe(&script), Budget::page()).await.unwrap().value;
    assert_eq!(products.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["prod_1", "prod_2", "prod_3"]);
    let lines: Vec<_> = script.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines[0], "GET /v1/products?limit=100");
    assert_eq!(lines[2], "GET /v1/products?limit=100&starting_after=prod_2");
}

#[tokio::test]
async fn a_list_that_repeats_itself_ends() {
    let page = r#"{"data":[{"id":"prod_1","name":"A","active":true,"livemode":false}],"has_more":true}"#;
    let script = Script::start(vec![answer(200, &[], page); 3]).await;
    let products = catalog::products(&stripe(&script), Budget::page()).await.unwrap().value;
    assert_eq!((products.len(), script.asked().len()), (2, 2));
}

#[tokio::test]
async fn what_the_builders_cannot_say_is_said_all_the_same() {
    let script = Script::start(vec![answer(200, &[], SUBSCRIPTION); 3]).await;
    let stripe = stripe(&script);
    let key = Key::random();
    let mut subscription: Subscription = serde_json::from_str(SUBSCRIPTION).unwrap();
    subscriptions::keep(&stripe, &subscription, &key, Budget::page()).await.unwrap();
    subscription.cancel_at_period_end = true;
    subscriptions::keep(&stripe, &subscription, &key, Budget::page()).await.unwrap();
    subscriptions::resume_collection(&stripe, &subscription.id, &key, Budget::page()).await.unwrap();
    let asked = script.asked();
    asks(&asked[0], "POST /v1/subscriptions/sub_1", &["cancel_at="]);
    asks(&asked[1], "POST /v1/subscriptions/sub_1", &["cancel_at_period_end=false"]);
    assert!(!asked[1].body.contains("cancel_at="));
    asks(&asked[2], "POST /v1/subscriptions/sub_1", &["pause_collection="]);
}

#[tokio::test]
async fn a_change_and_its_preview_ask_for_the_same_items_and_date() {
    let preview = r#"{"customer":"cus_1","currency":"eur","subtotal":1,"total":1,"amount_due":1,"amount_paid":0,
        "amount_remaining":1,"period_start":1,"period_end":2,"created":3}"#;
    let script = Script::start(vec![answer(200, &[], preview), answer(200, &[], SUBSCRIPTION)]).await;
    let stripe = stripe(&script);
    let item = ItemChange {
        id: Some("si_1".parse().unwrap()),
        price: Some("price_2".parse().unwrap()),
        quantity: Some(2),
        deleted: false,
    };
    let change = SubscriptionChange {
        items: vec![item],
        proration: Proration::AlwaysInvoice,
        proration_date: Some(1_700_000_000),
        starts_period: true,
    };
    let (customer, subscription) = ("cus_1".parse().unwrap(), "sub_1".parse().unwrap());
    invoices::preview_change(&stripe, &customer, &subscription, &change, Budget::page()).await.unwrap();
    subscriptions::change(&stripe, &subscription, &change, &Key::random(), Budget::page()).await.unwrap();
    let asked = script.asked();
    let details = [
        "subscription_details[items][0][id]=si_1",
        "subscription_details[items][0][price]=price_2",
        "subscription_details[items][0][quantity]=2",
        "subscription_details[proration_date]=1700000000",
        "subscription_details[proration_behavior]=always_invoice",
    ];
    asks(&asked[0], "POST /v1/invoices/create_preview", &details);
    let anchor = "subscription_details[billing_cycle_anchor][type]=now";
    asks(&asked[0], "POST /v1/invoices/create_preview", &[anchor]);
    asks(&asked[1], "POST /v1/subscriptions/sub_1", &["billing_cycle_anchor[type]=now"]);
    let plain: Vec<_> = details.iter().map(|d| d.replace("subscription_details[items]", "items")).collect();
    let plain: Vec<_> =
        plain.iter().map(|d| d.replace("subscription_details[", "").replacen("]=", "=", 1)).collect();
    let plain: Vec<_> = plain
        .iter()
        .map(|d| if d.starts_with("items") { d.replacen('=', "]=", 1) } else { d.clone() })
        .collect();
    asks(&asked[1], "POST /v1/subscriptions/sub_1", &plain.iter().map(String::as_str).collect::<Vec<_>>());
    asks(&asked[1], "POST /v1/subscriptions/sub_1", &["payment_behavior=pending_if_incomplete"]);
}

#[tokio::test]
async fn no_next_invoice_is_an_answer_and_not_an_error() {
    let none = r#"{"error":{"type":"invalid_request_error","code":"invoice_upcoming_none","message":"No upcoming invoices"}}"#;
    let other = r#"{"error":{"type":"invalid_request_error","code":"parameter_invalid_empty"}}"#;
    let script = Script::start(vec![answer(400, &[], none), answer(400, &[], other)]).await;
    let stripe = stripe(&script);
    let (customer, subscription) = ("cus_1".parse().unwrap(), "sub_1".parse().unwrap());
    assert!(invoices::next(&stripe, &customer, &subscription, Budget::page()).await.unwrap().is_none());
    let error = invoices::next(&stripe, &customer, &subscription, Budget::page()).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)));
}

#[tokio::test]
async fn an_address_is_replaced_as_a_whole() {
    let script = Script::start(vec![answer(200, &[], r#"{"id":"cus_1"}"#)]).await;
    let address = serde_json::from_str(r#"{"line1":"Calle 1","city":"Sevilla","country":"ES"}"#).unwrap();
    let change = customers::CustomerChange { address: Some(address), ..Default::default() };
    customers::update(&stripe(&script), &"cus_1".parse().unwrap(), &change, &Key::random(), Budget::page())
        .await
        .unwrap();
    asks(
        &script.asked()[0],
        "POST /v1/customers/cus_1",
        &["address[line1]=Calle 1", "address[line2]=", "address[state]="],
    );
}

#[tokio::test]
async fn a_visit_goes_straight_to_its_task_and_comes_back() {
    let session = r#"{"id":"bps_1","customer":"cus_1","url":"https://billing.stripe.com/p/1"}"#;
    let script = Script::start(vec![answer(200, &[], session)]).await;
    let visit = portal::Visit {
        customer: "cus_1".parse().unwrap(),
        flow: portal::Flow::Cancel("sub_1".parse().unwrap()),
        return_url: "https://portal.example/".into(),
        locale: "es".into(),
        configuration: Some("bpc_1".parse().unwrap()),
    };
    portal::visit(&stripe(&script), &visit, Budget::page()).await.unwrap();
    let expected = [
        "flow_data[type]=subscription_cancel",
        "flow_data[subscription_cancel][subscription]=sub_1",
        "flow_data[after_completion][type]=redirect",
        "flow_data[after_completion][redirect][return_url]=https://portal.example/",
        "configuration=bpc_1",
        "locale=es",
    ];
    asks(&script.asked()[0], "POST /v1/billing_portal/sessions", &expected);
}

#[tokio::test]
async fn lost_events_are_asked_for_as_they_are() {
    let list = r#"{"data":[{"id":"evt_1","type":"invoice.paid","created":5,"data":{"object":{"id":"in_1","customer":"cus_1"}}}],"has_more":false}"#;
    let script = Script::start(vec![answer(200, &[], list)]).await;
    let lost = events::undelivered(&stripe(&script), 7, None, Budget::page()).await.unwrap();
    let envelope = events::envelope(&lost.value.data[0]).unwrap();
    assert_eq!((envelope.id.as_str(), envelope.customer_id.as_deref()), ("evt_1", Some("cus_1")));
    let line = script.asked()[0].line.clone();
    let query = pairs(line.split_once('?').unwrap().1);
    assert_eq!(query, ["created[gte]=7", "delivery_success=false", "limit=100"]);
}
