//! Links out of mails that wait to be sent.

use serde_json::Value;

use super::portal::Portal;

impl Portal {
    /// The paths of the links in waiting mails of a kind, the oldest first.
    pub(crate) async fn links(&self, kind: &str) -> Vec<String> {
        let sql = format!(
            "select data from mails where kind = '{kind}' and state = 'waiting' order by created_at, cause"
        );
        let rows: Vec<(String,)> = self.db.read().await.unwrap().query_built(sql).all().await.unwrap();
        let path = |data: &str| {
            let data: Value = serde_json::from_str(data).unwrap();
            data["path"].as_str().unwrap().to_owned()
        };
        rows.iter().map(|(data,)| path(data)).collect()
    }

    /// The path of the link in the only waiting mail of a kind.
    pub(crate) async fn link(&self, kind: &str) -> String {
        let [link] = self.links(kind).await.try_into().expect("one mail");
        link
    }

    /// How often an action stands in the audit.
    pub(crate) async fn audited(&self, action: &str) -> i64 {
        self.count(&format!("select count(*) from audit_entries where action = '{action}'")).await
    }

    /// Makes all links that were asked for by mail.
    pub(crate) async fn answer_requests(&self) {
        while billing_portal::auth::work::step(&self.app.auth).await.unwrap() {}
    }
}
