//! Keys and tokens: what opens, what does not, and what is said about it.

use std::path::Path;
use std::time::Duration;

use billing_portal::api::{HostTokens, Jwks, NewKey, Pace, Scope, Source, store};
use billing_portal::app::App;
use billing_portal::auth::Role;
use billing_portal::config::Config;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::probe;
use crate::support::api::{AUDIENCE, HOST_SECRET, ISSUER, Program, sign};
use crate::support::portal::Portal;
use crate::support::script::{Answer, Script, answer};

fn anybody(portal: &Portal) -> Program {
    portal.program_on(probe::router(portal))
}

both_databases! {
    async fn without_a_credential_that_opens_something_the_answer_is_401_with_a_challenge(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let anybody = anybody(&portal).tenant(&tenant);
        for program in [
            anybody.clone(),
            anybody.clone().with("authorization", "Basic YTpi"),
            anybody.clone().with("authorization", "Bearer"),
            anybody.clone().bearer("nonsense"),
            anybody.clone().bearer("bp_test_0123456789abcdef0123456789abcdef"),
            anybody.clone().bearer("bp_live_0123456789abcdef0123456789abcdef"),
        ] {
            let reply = program.get("/deeds").await.expect(401);
            assert_eq!(reply.code(), "unauthorized");
            assert!(reply.header("www-authenticate").starts_with("Bearer realm="), "{:?}", reply.headers);
            assert!(reply.body["details"].is_object() && reply.body["error"].is_string());
        }
    }

    async fn a_session_opens_nothing_here(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let user = portal.user("Ana", &[(&tenant, Role::Owner)]).await;
        let browser = portal.signed_in(&user).await;
        let session = browser.cookie("billing_session").unwrap_or_default();
        let cookie = format!("billing_session={session}; __Host-billing_session={session}");
        anybody(&portal).with("cookie", &cookie).get("/deeds").await.expect(401);
    }

    async fn a_key_opens_what_its_scopes_say_for_the_tenant_it_names(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let key = portal.key(&[Scope::BillingRead]).await;
        let host = anybody(&portal).bearer(&key);
        let read = host.clone().tenant(&tenant).get("/deeds").await.expect(200).body;
        assert_eq!(read["tenant"], tenant.id.as_str());
        assert!(read["actor"].as_str().unwrap().starts_with("Key(\"key_"), "{read}");
        let refused = host.clone().tenant(&tenant).post("/deeds", &json!({ "amount": 1 })).await.expect(403);
        assert_eq!((refused.code(), &refused.body["details"]["scope"]), ("scope_missing", &json!("billing:write")));
        let unnamed = host.get("/deeds").await.expect(400);
        assert!(unnamed.body["details"]["X-Tenant-Id"].is_string());
        host.clone().with("x-tenant-id", "ten_nobody").get("/deeds").await.expect(404);
        host.clone().with("x-tenant-id", "").get("/deeds").await.expect(400);
        host.get("/companies").await.expect(403);
        let writes = portal.key(&[Scope::BillingWrite]).await;
        anybody(&portal).bearer(&writes).tenant(&tenant).get("/deeds").await.expect(200);
        portal.run(&format!("update tenants set external_id = 'acme-7' where id = '{}'", tenant.id)).await;
        let by_own = host.with("x-tenant-id", "acme-7").get("/deeds").await.expect(200);
        assert_eq!(by_own.body["tenant"], tenant.id.as_str());
    }

    async fn a_revoked_key_and_a_key_of_the_other_mode_open_nothing(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let key = portal.key(&[Scope::All]).await;
        let host = anybody(&portal).bearer(&key).tenant(&tenant);
        host.get("/deeds").await.expect(200);
        let mut tx = portal.db.write().await.unwrap();
        let known = store::list(&mut tx).await.unwrap();
        assert!(store::revoke(&mut tx, &known[0].id, portal.clock.wall()).await.unwrap().is_some());
        assert!(store::revoke(&mut tx, &known[0].id, portal.clock.wall()).await.unwrap().is_none());
        let live = NewKey::new("live", &[Scope::All], true, None).unwrap();
        let (_, live) = store::create(&mut tx, &live, portal.clock.wall()).await.unwrap();
        tx.commit().await.unwrap();
        host.get("/deeds").await.expect(401);
        let reply = anybody(&portal).bearer(live.expose()).tenant(&tenant).get("/deeds").await.expect(401);
        assert!(reply.body["error"].as_str().unwrap().contains("other mode"), "{}", reply.body);
    }

    async fn of_a_key_only_a_hash_is_kept_and_its_use_is_noted_once_a_minute(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let key = portal.key(&[Scope::All]).await;
        let host = anybody(&portal).bearer(&key).tenant(&tenant);
        let secret = &key["bp_test_".len() + 4..];
        for column in ["id", "hash", "prefix", "last4", "name", "scopes"] {
            let sql = format!("select count(*) from api_keys where {column} like '%{secret}%'");
            assert_eq!(portal.count(&sql).await, 0, "{column}");
        }
        let used = "select coalesce(last_used_at, 0) from api_keys";
        assert_eq!(portal.count(used).await, 0);
        // Beside the request: it may be answered first.
        let noted = async |at: i64| {
            while portal.count(used).await != at {
                tokio::task::yield_now().await;
            }
        };
        host.get("/deeds").await.expect(200);
        let first = portal.clock.wall().as_second();
        noted(first).await;
        portal.clock.pass(59);
        host.get("/deeds").await.expect(200);
        portal.clock.pass(1);
        let another = portal.program_on(probe::router(&portal)).bearer(&key).tenant(&tenant);
        another.get("/deeds").await.expect(200);
        noted(first + 60).await;
        let written = "select count(distinct last_used_at) from api_keys where last_used_at is not null";
        assert_eq!(portal.count(written).await, 1);
    }

    async fn a_token_opens_its_own_tenant_as_far_as_its_role_goes(portal: Portal) {
        let (norte, sur) = (portal.tenant("Norte").await, portal.tenant("Sur").await);
        let user = |role: &str| anybody(&portal).bearer(&sign(&portal.claims(&norte, role)));
        for (role, reads, writes) in
            [("owner", 200, 201), ("admin", 200, 201), ("supervisor", 200, 403), ("operator", 403, 403), ("janitor", 403, 403)]
        {
            user(role).get("/deeds").await.expect(reads);
            user(role).post("/deeds", &json!({ "amount": 1 })).await.expect(writes);
            user(role).post("/reports", &json!({})).await.expect(403);
            user(role).get("/companies").await.expect(403);
        }
        let read = user("owner").get("/deeds").await.body;
        assert_eq!((&read["tenant"], &read["actor"]), (&json!(norte.id.as_str()), &json!("User(\"host:user-7\")")));
        user("owner").tenant(&norte).get("/deeds").await.expect(200);
        user("owner").tenant(&sur).get("/deeds").await.expect(404);
        portal.run(&format!("update tenants set external_id = '77' where id = '{}'", norte.id)).await;
        let mut claims = portal.claims(&norte, "owner");
        claims["company_id"] = json!(77);
        anybody(&portal).bearer(&sign(&claims)).get("/deeds").await.expect(200);
        claims["company_id"] = json!("nobody");
        anybody(&portal).bearer(&sign(&claims)).get("/deeds").await.expect(404);
    }

    async fn a_token_that_is_not_for_us_now_opens_nothing(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let good = portal.claims(&tenant, "owner");
        let now = portal.clock.wall().as_second();
        let status = async |claims: &Value| anybody(&portal).bearer(&sign(claims)).get("/deeds").await.status.as_u16();
        assert_eq!(status(&good).await, 200);
        for (claim, value, expected) in [
            ("iss", json!("https://other.test"), 401),
            ("aud", json!("another"), 401),
            ("aud", json!(["another", AUDIENCE]), 200),
            ("exp", json!(now - 29), 200),
            ("exp", json!(now - 30), 401),
            ("exp", json!("tomorrow"), 401),
            ("nbf", json!(now + 30), 200),
            ("nbf", json!(now + 31), 401),
            ("nbf", Value::Null, 200),
            ("sub", json!(""), 401),
            ("role", json!(7), 401),
            ("company_id", json!(["a"]), 401),
        ] {
            let mut claims = good.clone();
            claims[claim] = value.clone();
            assert_eq!(status(&claims).await, expected, "{claim} = {value}");
        }
        for claim in ["iss", "aud", "exp", "sub", "role", "company_id"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(status(&claims).await, 401, "without {claim}");
        }
    }

    async fn a_token_cannot_choose_how_it_is_verified(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let claims = portal.claims(&tenant, "owner");
        let opens = async |token: &str| anybody(&portal).bearer(token).get("/deeds").await.status.as_u16();
        let (_, rest) = sign(&claims).split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        // {"alg":"none"}
        assert_eq!(opens(&format!("eyJhbGciOiJub25lIn0.{payload}.")).await, 401);
        assert_eq!(opens(&format!("eyJhbGciOiJub25lIn0.{payload}.{signature}")).await, 401);
        let by = |algorithm, secret: &[u8]| {
            jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        assert_eq!(opens(&by(Algorithm::HS256, HOST_SECRET.as_bytes())).await, 200);
        assert_eq!(opens(&by(Algorithm::HS512, HOST_SECRET.as_bytes())).await, 401);
        assert_eq!(opens(&by(Algorithm::HS256, b"another secret, of 32 bytes or more")).await, 401);
        let mut critical = Header::new(Algorithm::HS256);
        critical.crit = Some(vec!["exp".to_owned()]);
        let critical =
            jsonwebtoken::encode(&critical, &claims, &EncodingKey::from_secret(HOST_SECRET.as_bytes())).unwrap();
        assert_eq!(opens(&critical).await, 401);
    }

    async fn published_keys_open_by_their_own_algorithm_and_follow_a_rotation(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let claims = portal.claims(&tenant, "owner");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let (rsa, ec, ed, next) = (rsa(), ec(), ed(), ed());
        publish(&file, &[("rsa", &rsa, Algorithm::RS256), ("ec", &ec, Algorithm::ES256), ("ed", &ed, Algorithm::EdDSA)]);
        let host = with_keys(&portal, &file, Duration::ZERO);
        let opens = async |token: String| host.clone().bearer(&token).get("/deeds").await.status.as_u16();
        assert_eq!(opens(signed(&claims, "rsa", &rsa, Algorithm::RS256)).await, 200);
        assert_eq!(opens(signed(&claims, "ec", &ec, Algorithm::ES256)).await, 200);
        assert_eq!(opens(signed(&claims, "ed", &ed, Algorithm::EdDSA)).await, 200);
        assert_eq!(opens(signed(&claims, "rsa", &rsa, Algorithm::RS512)).await, 401, "not the key's algorithm");
        assert_eq!(opens(signed(&claims, "ec", &ed, Algorithm::EdDSA)).await, 401, "another key's name");
        let modulus = jwk("rsa", &rsa, Algorithm::RS256)["n"].as_str().unwrap().to_owned();
        let confused = EncodingKey::from_secret(modulus.as_bytes());
        assert_eq!(opens(signed(&claims, "rsa", &confused, Algorithm::HS256)).await, 401, "a public key is no secret");
        assert_eq!(opens(sign(&claims)).await, 401, "which key, of three?");

        assert_eq!(opens(signed(&claims, "next", &next, Algorithm::EdDSA)).await, 401);
        publish(&file, &[("next", &next, Algorithm::EdDSA)]);
        assert_eq!(opens(signed(&claims, "next", &next, Algorithm::EdDSA)).await, 200);
        assert_eq!(opens(signed(&claims, "rsa", &rsa, Algorithm::RS256)).await, 401, "withdrawn");
        std::fs::write(&file, "out of order").unwrap();
        assert_eq!(opens(signed(&claims, "rsa", &rsa, Algorithm::RS256)).await, 401);
        assert_eq!(opens(signed(&claims, "next", &next, Algorithm::EdDSA)).await, 200, "what was known stays in use");
    }

    async fn made_up_key_ids_do_not_make_us_read_the_keys_again_and_again(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let claims = portal.claims(&tenant, "owner");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let (first, second) = (ed(), ed());
        publish(&file, &[("first", &first, Algorithm::EdDSA)]);
        let host = with_keys(&portal, &file, Duration::from_secs(3600));
        let opens = async |token: String| host.clone().bearer(&token).get("/deeds").await.status.as_u16();
        assert_eq!(opens(signed(&claims, "first", &first, Algorithm::EdDSA)).await, 200);
        publish(&file, &[("second", &second, Algorithm::EdDSA)]);
        assert_eq!(opens(signed(&claims, "second", &second, Algorithm::EdDSA)).await, 401, "read a moment ago");
        assert_eq!(opens(signed(&claims, "first", &first, Algorithm::EdDSA)).await, 200);
        let nowhere = with_keys(&portal, &folder.path().join("absent.json"), Duration::ZERO);
        nowhere.bearer(&sign(&claims)).get("/deeds").await.expect(503);
    }

    async fn a_token_that_names_no_key_follows_a_rotation_too(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let claims = portal.claims(&tenant, "owner");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let (first, second) = (ed(), ed());
        let unnamed = |key: &EncodingKey| jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, key).unwrap();
        publish(&file, &[("first", &first, Algorithm::EdDSA)]);
        let host = with_keys(&portal, &file, Duration::ZERO);
        let opens = async |token: String| host.clone().bearer(&token).get("/deeds").await.status.as_u16();
        assert_eq!((opens(unnamed(&first)).await, opens(unnamed(&second)).await), (200, 401));
        publish(&file, &[("second", &second, Algorithm::EdDSA)]);
        assert_eq!((opens(unnamed(&second)).await, opens(unnamed(&first)).await), (200, 401));
    }

    async fn published_keys_are_fetched_from_an_address_and_nowhere_else(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let claims = portal.claims(&tenant, "owner");
        let (first, second) = (ed(), ed());
        let set = |id: &str, key: &EncodingKey| json!({ "keys": [jwk(id, key, Algorithm::EdDSA)] });
        let server = Script::start(Vec::new()).await;
        let at = |path: &str| server.url.join(path).unwrap();
        let status = async |host: &Program, id: &str, key: &EncodingKey| {
            host.clone().bearer(&signed(&claims, id, key, Algorithm::EdDSA)).get("/deeds").await.status.as_u16()
        };
        server.set("/keys", &set("first", &first));
        let quick = Pace { cool_down: Duration::ZERO, patience: Duration::from_millis(200), ..Pace::default() };
        let host = with_set(&portal, Source::Url(at("/keys")), quick);
        assert_eq!((status(&host, "first", &first).await, status(&host, "first", &second).await), (200, 401));
        server.set("/keys", &set("second", &second));
        assert_eq!((status(&host, "second", &second).await, status(&host, "first", &first).await), (200, 401), "rotated");
        assert!(server.asked().iter().all(|asked| asked.line == "GET /keys"), "{:?}", server.asked());

        let elsewhere = at("/keys").to_string();
        server.set_answer("/moved", answer(302, &[("location", &elsewhere)], ""));
        server.set_answer("/broken", answer(500, &[], &set("second", &second).to_string()));
        server.set("/empty", &json!({ "keys": [] }));
        let mut large = set("second", &second);
        large["filler"] = json!("x".repeat(256 * 1024));
        server.set("/large", &large);
        server.set_answer("/silent", Answer::Silence);
        for path in ["/moved", "/broken", "/empty", "/large", "/silent"] {
            let before = server.asked().len();
            let host = with_set(&portal, Source::Url(at(path)), quick);
            assert_eq!(status(&host, "second", &second).await, 503, "{path}");
            assert_eq!(server.asked().len(), before + 1, "{path}: asked once, and nowhere else");
        }
    }

    async fn a_source_that_is_down_delays_nobody_whose_key_is_known(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let token = |key: &EncodingKey| signed(&portal.claims(&tenant, "owner"), "first", key, Algorithm::EdDSA);
        let first = ed();
        let server = Script::start(Vec::new()).await;
        server.set("/keys", &json!({ "keys": [jwk("first", &first, Algorithm::EdDSA)] }));
        // Always old, and as patient as never.
        let pace = Pace { cool_down: Duration::ZERO, fresh: Duration::ZERO, patience: Duration::from_secs(3600) };
        let host = with_set(&portal, Source::Url(server.url.join("/keys").unwrap()), pace);
        host.clone().bearer(&token(&first)).get("/deeds").await.expect(200);
        server.set_answer("/keys", Answer::Silence);
        for _ in 0..5 {
            host.clone().bearer(&token(&first)).get("/deeds").await.expect(200);
        }
        while server.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
    }

    async fn what_is_too_large_or_no_json_is_refused_and_every_wrong_field_is_named(portal: Portal) {
        let tenant = portal.tenant("Norte").await;
        let key = portal.key(&[Scope::All]).await;
        let host = anybody(&portal).bearer(&key).tenant(&tenant);
        let wrong = host.post("/deeds", &json!({ "amount": "1", "flag": "yes", "colour": 1 })).await.expect(400);
        let fields: Vec<_> = wrong.body["details"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((wrong.code(), fields), ("invalid_input", vec!["amount", "colour", "flag"]));
        host.post("/deeds", &json!({ "amount": 1, "note": "x".repeat(1_000) })).await.expect(413);
        host.post("/deeds", &json!([1])).await.expect(400);
        let post = async |kind: &str, body: &str| {
            let program = host.clone().with("content-type", kind);
            program.send(http::Method::POST, "/api/billing/deeds", Some(body.to_owned())).await.status.as_u16()
        };
        assert_eq!(post("application/x-www-form-urlencoded", "amount=1").await, 415);
        assert_eq!(post("application/json; charset=utf-8", "{\"amount\": 1}").await, 201);
        assert_eq!(post("application/json", "{\"amount\": ").await, 400);
        assert_eq!(post("application/json", &"[".repeat(900)).await, 400);
        host.put("/deeds", &json!({})).await.expect(405);
        host.get("/nowhere").await.expect(404);
    }

    async fn who_calls_too_often_is_told_when_to_come_back(portal: Portal) {
        let stranger = anybody(&portal).at([198, 51, 100, 7]);
        let mut last = stranger.get("/deeds").await;
        for _ in 0..200 {
            last = stranger.get("/deeds").await;
            if last.status == 429 {
                break;
            }
        }
        assert_eq!((last.status.as_u16(), last.code()), (429, "too_many_requests"));
        assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
        anybody(&portal).get("/deeds").await.expect(401);
        let tenant = portal.tenant("Norte").await;
        let key = portal.key(&[Scope::All]).await;
        stranger.bearer(&key).tenant(&tenant).get("/deeds").await.expect(200);
    }
}

/// The same portal, whose tokens are signed with the keys of a file.
fn with_keys(portal: &Portal, file: &Path, cool_down: Duration) -> Program {
    with_set(portal, Source::File(file.to_owned()), Pace { cool_down, ..Pace::default() })
}

/// The same portal, whose tokens are signed with the keys of a source.
fn with_set(portal: &Portal, source: Source, pace: Pace) -> Program {
    let tokens = HostTokens::by_set(Jwks::with_pace(source, pace), ISSUER.to_owned(), AUDIENCE.to_owned());
    let app = &portal.app;
    let config = Config { host_tokens: Some(tokens), ..app.config.clone() };
    let app = App::new(app.db.clone(), app.clock.clone(), app.stripe.clone(), config, app.catalog.clone());
    portal.program_on(probe::on(&app))
}

fn rsa() -> EncodingKey {
    use base64::Engine as _;
    let text: String = include_str!("host_rsa.txt").split_whitespace().collect();
    EncodingKey::from_rsa_der(&base64::engine::general_purpose::STANDARD.decode(text).unwrap())
}

fn ec() -> EncodingKey {
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    EncodingKey::from_ec_der(key.as_ref())
}

fn ed() -> EncodingKey {
    // PKCS#8 (RFC 8410, 7): ring writes a form of its own.
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    EncodingKey::from_ed_der(&[&head[..], &rand::random::<[u8; 32]>()].concat())
}

fn jwk(id: &str, key: &EncodingKey, algorithm: Algorithm) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn publish(file: &Path, keys: &[(&str, &EncodingKey, Algorithm)]) {
    let keys: Vec<_> = keys.iter().map(|(id, key, algorithm)| jwk(id, key, *algorithm)).collect();
    std::fs::write(file, json!({ "keys": keys }).to_string()).unwrap();
}

fn signed(claims: &Value, id: &str, key: &EncodingKey, algorithm: Algorithm) -> String {
    let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, key).unwrap()
}
