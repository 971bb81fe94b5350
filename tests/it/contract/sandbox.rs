//! Every kind of answer that the sandbox gives, held against Stripe's own API description.
//!
//! What is asserted here is little: the recorder between these requests and the sandbox judges each request and each answer
//! when it is dropped.

use billing_portal::sandbox::{Config, Sandbox};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::support::recorder::Recorder;

/// A sandbox, the recorder before it, and a client.
struct Account {
    recorder: Recorder,
    client: Client<HttpConnector, Full<Bytes>>,
    _sandbox: Sandbox,
}

impl Account {
    async fn open() -> Self {
        let sandbox = Sandbox::start(Config::default()).await.expect("a free port");
        let address = sandbox.url().trim_start_matches("http://").parse().expect("an address");
        let recorder = Recorder::before(address).await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { recorder, client, _sandbox: sandbox }
    }

    async fn ask(&self, method: &str, address: String, form: &str) -> (u16, String) {
        let request = http::Request::builder()
            .method(method)
            .uri(address)
            .header("authorization", "Bearer sk_test_contract")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::from(form.to_owned()))
            .expect("a request");
        let answer = self.client.request(request).await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    async fn call(&self, method: &str, path: &str, form: &str) -> Value {
        let (status, body) = self.ask(method, format!("{}{path}", self.recorder.url()), form).await;
        assert_eq!(status, 200, "{method} {path} {form}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    async fn post(&self, path: &str, form: &str) -> Value {
        self.call("POST", path, form).await
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", path, "").await
    }

    /// A request that must be refused with this status.
    async fn refused(&self, status: u16, method: &str, path: &str, form: &str) -> Value {
        let (answered, body) = self.ask(method, format!("{}{path}", self.recorder.url()), form).await;
        assert_eq!(answered, status, "{method} {path} {form}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// A monthly price of a new product.
    async fn price(&self, amount: i64) -> String {
        let product = text(&self.post("/v1/products", "name=Plan&metadata[slug]=plan").await, "/id");
        let form = format!("product={product}&currency=eur&unit_amount={amount}&recurring[interval]=month");
        text(&self.post("/v1/prices", &form).await, "/id")
    }

    /// A customer with a card that behaves as one of Stripe's names says.
    async fn customer(&self, card: &str) -> String {
        let customer = text(
            &self.post("/v1/customers", "name=Acme&email=a%40example.com&address[country]=DE").await,
            "/id",
        );
        let card =
            self.post(&format!("/v1/payment_methods/{card}/attach"), &format!("customer={customer}")).await;
        let form = format!("invoice_settings[default_payment_method]={}", text(&card, "/id"));
        self.post(&format!("/v1/customers/{customer}"), &form).await;
        customer
    }
}

fn text(value: &Value, at: &str) -> String {
    value
        .pointer(at)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {at} of {value}"))
        .to_owned()
}

#[tokio::test]
async fn the_catalogue_is_as_stripe_describes_it() {
    let account = Account::open().await;
    let form = "name=Professional&description=More&marketing_features[0][name]=5+users&metadata[slug]=pro&tax_code=txcd_10103001";
    let product = text(&account.post("/v1/products", form).await, "/id");
    account.post(&format!("/v1/products/{product}"), "name=Pro&metadata[slug]=").await;
    let form = format!(
        "product={product}&currency=eur&unit_amount=9900&recurring[interval]=month&lookup_key=pro_month&tax_behavior=exclusive\
         &currency_options[usd][unit_amount]=10900&nickname=monthly"
    );
    let price = text(&account.post("/v1/prices", &form).await, "/id");
    account.post(&format!("/v1/prices/{price}"), "active=false").await;
    account.post(&format!("/v1/prices/{price}"), "active=true").await;
    account.get("/v1/products?active=true&limit=10").await;
    account.get(&format!("/v1/products/{product}?expand[]=default_price")).await;
    account
        .get("/v1/prices?lookup_keys[]=pro_month&expand[]=data.product&expand[]=data.currency_options")
        .await;
    let coupon = text(&account.post("/v1/coupons", "percent_off=50&duration=once&name=Half").await, "/id");
    account
        .post("/v1/coupons", "amount_off=500&currency=eur&duration=repeating&duration_in_months=3&id=FIVE")
        .await;
    account.get("/v1/coupons/FIVE").await;
    let form = format!("promotion[type]=coupon&promotion[coupon]={coupon}&code=HALF&max_redemptions=5");
    let code = text(&account.post("/v1/promotion_codes", &form).await, "/id");
    account.get("/v1/promotion_codes?code=HALF&active=true&expand[]=data.promotion.coupon").await;
    account.get(&format!("/v1/promotion_codes/{code}")).await;
}

#[tokio::test]
async fn customers_are_as_stripe_describes_them() {
    let account = Account::open().await;
    let form = "name=Acme&email=a%40example.com&phone=1&metadata[tenant]=t_1&address[country]=DE&address[city]=K\
                &address[line1]=L&address[postal_code]=1&preferred_locales[0]=es&tax_exempt=none&description=D";
    let customer = text(&account.post("/v1/customers", form).await, "/id");
    account.post(&format!("/v1/customers/{customer}"), "name=Acme+GmbH&metadata[tenant]=").await;
    let tax_id =
        account.post(&format!("/v1/customers/{customer}/tax_ids"), "type=eu_vat&value=DE123456789").await;
    account.get(&format!("/v1/customers/{customer}?expand[]=tax_ids&expand[]=subscriptions")).await;
    account.get(&format!("/v1/customers/{customer}/tax_ids")).await;
    account.call("DELETE", &format!("/v1/customers/{customer}/tax_ids/{}", text(&tax_id, "/id")), "").await;
    account.get("/v1/customers?email=a%40example.com&limit=1").await;
    account.post("/v1/payment_methods/pm_card_visa/attach", &format!("customer={customer}")).await;
    account.get(&format!("/v1/customers/{customer}/payment_methods?type=card")).await;
    account.call("DELETE", &format!("/v1/customers/{customer}"), "").await;
    account.get(&format!("/v1/customers/{customer}")).await;
    account.get("/v1/events?limit=100").await;
}

#[tokio::test]
async fn the_life_of_a_subscription_is_as_stripe_describes_it() {
    let account = Account::open().await;
    let (small, large) = (account.price(2900).await, account.price(9900).await);
    let customer = account.customer("pm_card_visa").await;
    let form = format!(
        "customer={customer}&items[0][price]={small}&items[0][quantity]=2&metadata[tenant]=t_1&trial_period_days=7\
         &expand[]=latest_invoice.payments&expand[]=customer&automatic_tax[enabled]=true"
    );
    let subscription = account.post("/v1/subscriptions", &form).await;
    let (id, item) = (text(&subscription, "/id"), text(&subscription, "/items/data/0/id"));
    let path = format!("/v1/subscriptions/{id}");
    account.post(&path, "trial_end=now").await;
    let change = format!("items[0][id]={item}&items[0][price]={large}&items[0][quantity]=3");
    let previewed = format!("&{change}").replace("&items", "&subscription_details[items]");
    let preview = format!("customer={customer}&subscription={id}{previewed}");
    account.post("/v1/invoices/create_preview", &preview).await;
    account.post(&path, &format!("{change}&proration_behavior=always_invoice&expand[]=latest_invoice")).await;
    account.post(&path, "cancel_at_period_end=true&cancellation_details[feedback]=unused").await;
    account.post(&path, "cancel_at_period_end=false").await;
    account.post(&path, "pause_collection[behavior]=void").await;
    account.post(&path, "pause_collection=").await;
    account.post("/v1/subscription_schedules", &format!("from_subscription={id}")).await;
    account.get("/v1/subscription_schedules?limit=1").await;
    account.get(&format!("{path}?expand[]=schedule&expand[]=default_payment_method")).await;
    account
        .get(&format!("/v1/subscriptions?customer={customer}&status=all&expand[]=data.latest_invoice"))
        .await;
    account.call("DELETE", &path, "prorate=true&invoice_now=true").await;
    account
        .get("/v1/events?types[0]=customer.subscription.updated&types[1]=customer.subscription.deleted")
        .await;
    account.get("/v1/events?limit=100").await;
}

#[tokio::test]
async fn invoices_and_the_trail_of_the_money_are_as_stripe_describes_them() {
    let account = Account::open().await;
    let price = account.price(2900).await;
    let customer = account.customer("pm_card_visa").await;
    account.post("/v1/subscriptions", &format!("customer={customer}&items[0][price]={price}")).await;
    let invoices =
        account.get(&format!("/v1/invoices?customer={customer}&status=paid&expand[]=data.payments")).await;
    let invoice = text(&invoices, "/data/0/id");
    account.get(&format!("/v1/invoices/{invoice}?expand[]=lines&expand[]=customer")).await;
    let payments = account.get(&format!("/v1/invoice_payments?invoice={invoice}")).await;
    let intent = text(&payments, "/data/0/payment/payment_intent");
    account.get(&format!("/v1/payment_intents/{intent}?expand[]=latest_charge")).await;
    let charges = account.get(&format!("/v1/charges?customer={customer}")).await;
    let charge = text(&charges, "/data/0/id");
    account.get(&format!("/v1/charges/{charge}")).await;
    let refund = account
        .post("/v1/refunds", &format!("charge={charge}&amount=500&reason=requested_by_customer"))
        .await;
    account.get(&format!("/v1/refunds/{}", text(&refund, "/id"))).await;
    account.get(&format!("/v1/refunds?charge={charge}")).await;

    let disputing = account.customer("pm_card_createDispute").await;
    account.post("/v1/subscriptions", &format!("customer={disputing}&items[0][price]={price}")).await;
    let disputes = account.get("/v1/disputes?limit=3").await;
    let dispute = text(&disputes, "/data/0/id");
    account.get(&format!("/v1/disputes/{dispute}")).await;
    account.post(&format!("/v1/disputes/{dispute}/close"), "").await;

    let form = format!(
        "customer={customer}&items[0][price]={price}&collection_method=send_invoice&days_until_due=30"
    );
    let sent = account.post("/v1/subscriptions", &form).await;
    let open = text(&sent, "/latest_invoice");
    if text(&account.get(&format!("/v1/invoices/{open}")).await, "/status") == "draft" {
        account.post(&format!("/v1/invoices/{open}/finalize"), "").await;
    }
    account.post(&format!("/v1/invoices/{open}/pay"), "").await;
    account.get("/v1/events?limit=100").await;
}

#[tokio::test]
async fn checkout_sessions_are_as_stripe_describes_them() {
    let account = Account::open().await;
    let price = account.price(9900).await;
    let customer = account.customer("pm_card_visa").await;
    let form = format!(
        "mode=subscription&customer={customer}&line_items[0][price]={price}&line_items[0][quantity]=1\
         &success_url=http%3A%2F%2Fexample.com%2Fdone&cancel_url=http%3A%2F%2Fexample.com%2Fpricing&locale=es\
         &client_reference_id=t_1&metadata[tenant]=t_1&subscription_data[metadata][tenant]=t_1\
         &subscription_data[trial_period_days]=14&allow_promotion_codes=true&billing_address_collection=required\
         &tax_id_collection[enabled]=true&automatic_tax[enabled]=true&customer_update[address]=auto&customer_update[name]=auto\
         &expand[]=line_items"
    );
    let session = text(&account.post("/v1/checkout/sessions", &form).await, "/id");
    account.get(&format!("/v1/checkout/sessions/{session}/line_items")).await;
    account.get(&format!("/v1/checkout/sessions?customer={customer}&status=open")).await;
    account.post(&format!("/v1/checkout/sessions/{session}/expire"), "").await;
    account.get(&format!("/v1/checkout/sessions/{session}")).await;

    let form = format!(
        "mode=subscription&customer={customer}&line_items[0][price]={price}&line_items[0][quantity]=1\
         &success_url=http%3A%2F%2Fexample.com%2Fdone"
    );
    let session = account.post("/v1/checkout/sessions", &form).await;
    let (id, page) = (text(&session, "/id"), text(&session, "/url"));
    let (status, answer) =
        account.ask("POST", page, "do=pay&card=test-4242424242424242&country=DE&expected=9900").await;
    assert_eq!(status, 303, "{answer}");
    account
        .get(&format!("/v1/checkout/sessions/{id}?expand[]=subscription.latest_invoice&expand[]=customer"))
        .await;
    account.get("/v1/events?limit=100").await;
}

#[tokio::test]
async fn the_customer_portal_is_as_stripe_describes_it() {
    let account = Account::open().await;
    let price = account.price(2900).await;
    let product = text(&account.get(&format!("/v1/prices/{price}")).await, "/product");
    let form = format!(
        "business_profile[headline]=Billing&default_return_url=http%3A%2F%2Fexample.com&features[invoice_history][enabled]=true\
         &features[payment_method_update][enabled]=true&features[customer_update][enabled]=true\
         &features[customer_update][allowed_updates][0]=address&features[customer_update][allowed_updates][1]=tax_id\
         &features[subscription_cancel][enabled]=true&features[subscription_cancel][mode]=at_period_end\
         &features[subscription_cancel][cancellation_reason][enabled]=true\
         &features[subscription_cancel][cancellation_reason][options][0]=unused\
         &features[subscription_update][enabled]=true&features[subscription_update][default_allowed_updates][0]=price\
         &features[subscription_update][proration_behavior]=always_invoice\
         &features[subscription_update][products][0][product]={product}\
         &features[subscription_update][products][0][prices][0]={price}"
    );
    let configuration = text(&account.post("/v1/billing_portal/configurations", &form).await, "/id");
    account.post(&format!("/v1/billing_portal/configurations/{configuration}"), "metadata[a]=b").await;
    account.get("/v1/billing_portal/configurations?active=true").await;
    let customer = account.customer("pm_card_visa").await;
    let subscription =
        account.post("/v1/subscriptions", &format!("customer={customer}&items[0][price]={price}")).await;
    let (id, item) = (text(&subscription, "/id"), text(&subscription, "/items/data/0/id"));
    let flows = [
        String::new(),
        "&flow_data[type]=payment_method_update".to_owned(),
        "&flow_data[type]=customer_update".to_owned(),
        format!("&flow_data[type]=subscription_cancel&flow_data[subscription_cancel][subscription]={id}"),
        format!("&flow_data[type]=subscription_update&flow_data[subscription_update][subscription]={id}"),
        format!(
            "&flow_data[type]=subscription_update_confirm&flow_data[subscription_update_confirm][subscription]={id}\
             &flow_data[subscription_update_confirm][items][0][id]={item}\
             &flow_data[subscription_update_confirm][items][0][price]={price}\
             &flow_data[subscription_update_confirm][items][0][quantity]=2\
             &flow_data[after_completion][type]=redirect\
             &flow_data[after_completion][redirect][return_url]=http%3A%2F%2Fexample.com%2Fafter"
        ),
    ];
    for flow in flows {
        let form = format!(
            "customer={customer}&configuration={configuration}&return_url=http%3A%2F%2Fexample.com{flow}"
        );
        let session = account.post("/v1/billing_portal/sessions", &form).await;
        let (status, page) = account.ask("GET", text(&session, "/url"), "").await;
        assert!(status == 200 || status == 303, "{flow}: {page}");
    }
}

#[tokio::test]
async fn metered_usage_is_as_stripe_describes_it() {
    let account = Account::open().await;
    let customer = account.customer("pm_card_visa").await;
    let form = "display_name=Tokens&event_name=tokens&default_aggregation[formula]=sum\
                &customer_mapping[type]=by_id&customer_mapping[event_payload_key]=stripe_customer_id\
                &value_settings[event_payload_key]=value";
    let meter = text(&account.post("/v1/billing/meters", form).await, "/id");
    let event =
        format!("event_name=tokens&identifier=i1&payload[stripe_customer_id]={customer}&payload[value]=42");
    account.post("/v1/billing/meter_events", &event).await;
    let product = text(&account.post("/v1/products", "name=Tokens&unit_label=token").await, "/id");
    let form = format!(
        "product={product}&currency=eur&unit_amount_decimal=0.0003&recurring[interval]=month\
         &recurring[usage_type]=metered&recurring[meter]={meter}&billing_scheme=per_unit"
    );
    let price = text(&account.post("/v1/prices", &form).await, "/id");
    account.post("/v1/subscriptions", &format!("customer={customer}&items[0][price]={price}")).await;
    let now = text(&account.get(&format!("/v1/billing/meters/{meter}")).await, "/id");
    assert_eq!(now, meter);
    let path = format!(
        "/v1/billing/meters/{meter}/event_summaries?customer={customer}&start_time=1789999980&end_time=1900000020"
    );
    account.get(&path).await;
    account.get("/v1/billing/meters?status=active").await;
    account.post(&format!("/v1/billing/meters/{meter}/deactivate"), "").await;
    account.post(&format!("/v1/billing/meters/{meter}/reactivate"), "").await;
}

#[tokio::test]
async fn clocks_endpoints_and_events_are_as_stripe_describes_them() {
    let account = Account::open().await;
    let clock =
        text(&account.post("/v1/test_helpers/test_clocks", "frozen_time=1790000000&name=c").await, "/id");
    let price = account.price(2900).await;
    let customer = text(&account.post("/v1/customers", &format!("test_clock={clock}")).await, "/id");
    let card = account.post("/v1/payment_methods/pm_card_visa/attach", &format!("customer={customer}")).await;
    let form =
        format!("customer={customer}&items[0][price]={price}&default_payment_method={}", text(&card, "/id"));
    account.post("/v1/subscriptions", &form).await;
    account.post(&format!("/v1/test_helpers/test_clocks/{clock}/advance"), "frozen_time=1793000000").await;
    account.get(&format!("/v1/test_helpers/test_clocks/{clock}")).await;
    account.get(&format!("/v1/invoices?customer={customer}")).await;
    let form = "url=http%3A%2F%2F127.0.0.1%3A9%2Fhook&enabled_events[0]=%2A&api_version=2026-09-30.endive&metadata[a]=b";
    let endpoint = text(&account.post("/v1/webhook_endpoints", form).await, "/id");
    account.get("/v1/webhook_endpoints?limit=5").await;
    account.get(&format!("/v1/webhook_endpoints/{endpoint}")).await;
    account.call("DELETE", &format!("/v1/webhook_endpoints/{endpoint}"), "").await;
    let events = account.get("/v1/events?limit=100&created[gte]=1").await;
    account.get(&format!("/v1/events/{}", text(&events, "/data/0/id"))).await;
    account.get("/v1/events?delivery_success=false&type=invoice.paid").await;
    account.call("DELETE", &format!("/v1/test_helpers/test_clocks/{clock}"), "").await;
}

#[tokio::test]
async fn refusals_are_as_stripe_describes_them() {
    let account = Account::open().await;
    let price = account.price(2900).await;
    let failing = account.customer("pm_card_chargeCustomerFail").await;
    account.refused(404, "GET", "/v1/customers/cus_0", "").await;
    account.refused(400, "POST", "/v1/customers", "nmae=x").await;
    account.refused(400, "POST", "/v1/subscriptions", "customer=cus_0").await;
    let form = format!("customer={failing}&items[0][price]={price}&payment_behavior=error_if_incomplete");
    let refused = account.refused(402, "POST", "/v1/subscriptions", &form).await;
    assert_eq!(text(&refused, "/error/code"), "card_declined");
    account.get("/v1/events?limit=100").await;
}
