//! Who there is to be in the demo: the companies, their people, the operator's own.

use jiff::Timestamp;

use super::seeds::Script;
use crate::app::App;
use crate::audit::{self, Actor, Entry};
use crate::auth::{self, NewUser, Role, UserId};
use crate::cli::Failure;
use crate::db::Tx;
use crate::i18n::Language;
use crate::members;
use crate::tenants::{self, NewTenant, Tenant};

/// Into which company who is asked, as what.
const GUEST: (&str, &str, Role) = ("Birch & Sons", "nora@birch.example", Role::Supervisor);

/// A company to look at.
#[derive(Clone, Debug)]
pub struct Company {
    /// The tenant; none for the operator's own staff.
    pub tenant: Option<Tenant>,
    /// Its name.
    pub name: &'static str,
    /// The key of the words that tell its story.
    pub story: &'static str,
    /// Who can be signed in as.
    pub people: Vec<Person>,
}

/// Somebody to be.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user's id.
    pub user: UserId,
    /// The name.
    pub name: &'static str,
    /// The role in the company; none for staff.
    pub role: Option<Role>,
}

/// Makes a company and its people.
pub(super) async fn found(app: &App, script: &Script) -> Result<Company, Failure> {
    let now = app.clock.now();
    let billing = format!("billing@{}", script.domain).parse()?;
    let language = Language::from_tag(script.language).unwrap_or_default();
    let tenant = NewTenant::new(script.name, billing)?.language(language).time_zone(script.time_zone)?;
    let mut tx = app.db.write().await?;
    let tenant = tenants::store::create(&mut tx, &tenant, now).await??;
    tell(&mut tx, "tenant.created", Some(&tenant), tenant.id.as_str(), now).await?;
    let mut people = Vec::new();
    for (name, account, role) in script.people {
        let user = NewUser::new(format!("{account}@{}", script.domain).parse()?, name)?;
        let user = auth::store::create(&mut tx, &user, now).await??;
        auth::store::join(&mut tx, &tenant.id, &user.id, *role, now).await?;
        tell(&mut tx, "user.created", Some(&tenant), user.id.as_str(), now).await?;
        people.push(Person { user: user.id, name, role: Some(*role) });
    }
    tx.commit().await?;
    Ok(Company { tenant: Some(tenant), name: script.name, story: script.story, people })
}

/// Tells the audit of it, as the commands that do the same do.
async fn tell(
    tx: &mut Tx,
    action: &'static str,
    tenant: Option<&Tenant>,
    object: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut entry = Entry::new(Actor::Command, action, now).object(object);
    entry.tenant = tenant.map(|tenant| tenant.id.to_string());
    audit::record(tx, &entry).await?;
    Ok(())
}

/// The operator's own people, who belong to no tenant.
pub(super) async fn staff(app: &App) -> Result<Company, Failure> {
    let name = "Sam Reyes";
    let user = NewUser::new("sam@portal.example".parse()?, name)?.staff(true);
    let mut tx = app.db.write().await?;
    let user = auth::store::create(&mut tx, &user, app.clock.now()).await??;
    tell(&mut tx, "user.created", None, user.id.as_str(), app.clock.now()).await?;
    tx.commit().await?;
    let people = vec![Person { user: user.id, name, role: None }];
    Ok(Company { tenant: None, name: "Billing portal", story: "demo-staff", people })
}

/// Has the first of a company's people invite somebody who has not answered yet.
pub(super) async fn ask_to_join(app: &App, cast: &[Company]) -> Result<(), Failure> {
    let (name, email, role) = GUEST;
    let company = cast.iter().find(|company| company.name == name);
    let company = company.and_then(|company| Some((company.tenant.as_ref()?, company.people.first()?)));
    let (tenant, first) = company.ok_or("nobody is there to invite the guest")?;
    let mut tx = app.db.write().await?;
    let by = members::act::By {
        actor: Actor::User(first.user.as_str().to_owned()),
        user: auth::store::find(&mut tx, &first.user).await?,
        address: None,
        now: app.clock.now(),
        wall: app.clock.wall().as_second(),
    };
    members::act::invite(&mut tx, &tenant.id, &by, &email.parse()?, role).await?;
    Ok(tx.commit().await?)
}
