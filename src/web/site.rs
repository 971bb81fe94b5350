//! What the configuration says about the site as browsers see it.

use ipnet::IpNet;
use url::{Origin, Url};

use crate::alarm;
use crate::clock::Clock;

/// Where Stripe's hosted pages live, unless the configuration names others.
pub const STRIPE_ORIGINS: [&str; 4] = [
    "https://checkout.stripe.com",
    "https://billing.stripe.com",
    "https://invoice.stripe.com",
    // Where the PDF of an invoice is.
    "https://pay.stripe.com",
];

/// The site as browsers see it.
#[derive(Clone, Debug)]
pub struct Site {
    /// The address in the browser's bar; links in pages and mails are built on it.
    pub public_url: Url,
    /// Origins of Stripe's pages that ours may send the browser to.
    pub redirect_origins: Vec<Url>,
    /// Networks of the proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// Where people write for help, if anywhere.
    pub support_email: Option<String>,
    /// Both times.
    pub clock: Clock,
    /// Every page carries the demo's bar.
    pub demo: bool,
    /// What the pages of staff tell beside their own matter.
    pub board: alarm::Board,
}

impl Site {
    /// A site at an address, sending browsers to Stripe's own pages, behind no proxy.
    pub fn new(public_url: Url, clock: Clock) -> Self {
        let redirect_origins = STRIPE_ORIGINS.iter().filter_map(|origin| origin.parse().ok()).collect();
        Self {
            public_url,
            redirect_origins,
            trusted_proxies: Vec::new(),
            support_email: None,
            clock,
            demo: false,
            board: alarm::Board::default(),
        }
    }

    /// Whether browsers reach it encrypted: decides the names and flags of cookies, and HSTS.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// Whether browsers vouch to it for where a request comes from: on encrypted sites and on the loopback.
    pub(super) fn is_vouched_for(&self) -> bool {
        let is_near = |origin: &Origin| matches!(origin, Origin::Tuple(_, host, _) if is_loopback(host));
        self.is_https() || is_near(&self.public_url.origin())
    }

    /// A path of ours as a whole address.
    ///
    /// What is no path of ours becomes the front page.
    pub fn link(&self, path: &str) -> String {
        match self.public_url.join(path) {
            Ok(url) if self.is_own(&url) => url.into(),
            _ => self.public_url.clone().into(),
        }
    }

    /// Whether an address is one of ours.
    pub fn is_own(&self, url: &Url) -> bool {
        same_origin(&self.public_url.origin(), &url.origin())
    }

    /// Whether pages may send the browser to this address of Stripe's.
    pub fn is_redirect_target(&self, url: &Url) -> bool {
        self.redirect_origins.iter().any(|allowed| allowed.origin() == url.origin())
    }
}

/// Equal origins; on a developer's machine the names of the loopback are one host.
fn same_origin(ours: &Origin, other: &Origin) -> bool {
    match (ours, other) {
        (Origin::Tuple(scheme, host, port), Origin::Tuple(other_scheme, other_host, other_port)) => {
            scheme == other_scheme
                && port == other_port
                && (host == other_host || (is_loopback(host) && is_loopback(other_host)))
        }
        _ => false,
    }
}

fn is_loopback(host: &url::Host) -> bool {
    match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    }
}
