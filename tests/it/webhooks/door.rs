use billing_portal::stripe::signature::sign;

use super::*;

fn paid() -> Value {
    event("evt_1", "invoice.paid", START, &invoice("paid", 2900))
}

async fn kept(portal: &Portal) -> i64 {
    portal.count("select count(*) from webhook_events").await
}

both_databases! {
    async fn a_signed_delivery_is_kept_and_acknowledged_at_both_addresses(portal: Portal) {
        let secret = WEBHOOK_SECRET.parse().unwrap();
        for (path, id) in [("/webhooks/stripe", "evt_1"), ("/api/billing/webhooks/payment", "evt_2")] {
            let body = event(id, "invoice.paid", START, &invoice("paid", 2900)).to_string().into_bytes();
            let header = sign(&body, &secret, portal.clock.wall());
            assert_eq!(post(&portal, path, Some(&header), body).await, StatusCode::OK);
        }
        let whole = "select count(*) from webhook_events where type = 'invoice.paid' and state = 'pending' and not livemode
            and customer_id = 'cus_1' and object_id = 'in_1' and api_version = '2026-09-30.endive' and length(payload_hash) = 64";
        assert_eq!(portal.count(whole).await, 2);
    }

    async fn what_is_not_signed_for_now_is_refused_and_not_kept(portal: Portal) {
        let body = paid().to_string().into_bytes();
        let (secret, other) = (WEBHOOK_SECRET.parse().unwrap(), "whsec_of_somebody_else".parse().unwrap());
        let now = portal.clock.wall();
        let good = sign(&body, &secret, now);
        let seconds = |s: i64| sign(&body, &secret, billing_portal::clock::from_seconds(now.as_second() + s));
        let refused = [
            None,
            Some("garbage".to_owned()),
            Some(sign(&body, &other, now)),
            Some(good.replace("v1=", "v0=")),
            Some(seconds(-301)),
            Some(seconds(301)),
            Some(sign(b"{}", &secret, now)),
        ];
        for header in refused {
            let status = post(&portal, "/webhooks/stripe", header.as_deref(), body.clone()).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{header:?}");
        }
        assert_eq!(kept(&portal).await, 0);
        assert_eq!(post(&portal, "/webhooks/stripe", Some(&good), body).await, StatusCode::OK);
    }

    async fn a_body_over_the_limit_is_refused_and_not_kept(portal: Portal) {
        assert_eq!(deliver_bytes(&portal, &vec![b' '; 1_000_001]).await, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(kept(&portal).await, 0);
        let mut large = paid();
        large["padding"] = json!("x".repeat(990_000));
        deliver(&portal, &large).await;
        assert_eq!(kept(&portal).await, 1);
    }

    async fn what_is_signed_and_cannot_be_read_is_kept_for_staff(portal: Portal) {
        for body in [&b"<html>"[..], b"{}", b"\xff\xfe", b"{\"id\":\"evt_1\",\"type\":\"a\"}\0", b""] {
            assert_eq!(deliver_bytes(&portal, body).await, StatusCode::OK);
            assert_eq!(deliver_bytes(&portal, body).await, StatusCode::OK);
        }
        assert_eq!(portal.count("select count(*) from webhook_events where state = 'parked' and type = 'unreadable'").await, 5);
    }

    async fn a_duplicate_is_acknowledged_and_another_payload_is_kept_beside_the_first(portal: Portal) {
        deliver(&portal, &paid()).await;
        deliver(&portal, &paid()).await;
        assert_eq!(portal.count("select count(*) from webhook_events where conflict is null").await, 1);
        let mut other = paid();
        other["data"]["object"]["amount_paid"] = json!(1);
        deliver(&portal, &other).await;
        assert_eq!(portal.count("select count(*) from webhook_events where conflict like '%\"amount_paid\":1,%'").await, 1);
        assert_eq!(portal.count("select count(*) from webhook_events where payload like '%\"amount_paid\":2900,%'").await, 1);
        deliver(&portal, &paid()).await;
        assert_eq!(kept(&portal).await, 1);
    }

    async fn a_storm_of_the_same_event_is_kept_once(portal: Portal) {
        let (mut storm, event) = (tokio::task::JoinSet::new(), paid());
        for _ in 0..64 {
            let (router, body) = (portal.router.clone(), event.to_string());
            let header = sign(body.as_bytes(), &WEBHOOK_SECRET.parse().unwrap(), portal.clock.wall());
            let request = Request::post("/webhooks/stripe").header("stripe-signature", header).body(Body::from(body)).unwrap();
            storm.spawn(async move { router.oneshot(request).await.unwrap().status() });
        }
        assert!(storm.join_all().await.iter().all(|status| *status == StatusCode::OK));
        assert_eq!(kept(&portal).await, 1);
    }

    async fn an_event_of_live_mode_is_kept_and_marked_and_not_carried_out(portal: Portal) {
        let mut live = paid();
        live["livemode"] = json!(true);
        deliver(&portal, &live).await;
        let marked = "select count(*) from webhook_events where livemode and state = 'not_needed' and error like '%live mode%'";
        assert_eq!(portal.count(marked).await, 1);
    }

    async fn a_type_that_nobody_knows_is_kept_and_not_needed(portal: Portal) {
        deliver(&portal, &event("evt_1", "invoice.levitated", START, &json!({ "id": "in_1" }))).await;
        assert_eq!(portal.count("select count(*) from webhook_events where state = 'not_needed' and error is null").await, 1);
    }

    async fn nothing_is_acknowledged_that_is_not_kept(portal: Portal) {
        portal.run("drop table webhook_events").await;
        let status = deliver_bytes(&portal, paid().to_string().as_bytes()).await;
        assert!(status.is_server_error(), "{status}");
    }
}

#[tokio::test]
async fn a_door_without_a_secret_cannot_be_built() {
    use billing_portal::config::WebhookSecrets;
    assert!(WebhookSecrets::new(Vec::new()).is_err());
    assert!(WebhookSecrets::new([" ".to_owned()]).is_err());
    assert!(WebhookSecrets::new(["short".to_owned()]).is_err());
    assert_eq!(
        WebhookSecrets::new(["whsec_one_secret".to_owned(), "whsec_two_secrets".to_owned()])
            .unwrap()
            .expose()
            .len(),
        2
    );
}
