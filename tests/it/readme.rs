//! The examples of the README, run as they are written.

use std::process::Command;

use billing_portal::api::Scope;
use billing_portal::web::server::{Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::world::World;

/// The commands behind each `<!-- curl -->`.
fn examples() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let examples = readme.split("<!-- curl -->\n```sh\n").skip(1);
    examples.map(|rest| rest.split("\n```").next().unwrap().to_owned()).collect()
}

/// The scopes of the key that the README has made before them.
fn scopes() -> Vec<Scope> {
    let readme = include_str!("../../README.md");
    let (_, command) = readme.split_once("$ billing-portal api-key create").expect("the command");
    let (_, rest) = command.split_once("--scope ").expect("its scopes");
    rest.split_whitespace().next().unwrap().split(',').map(|scope| scope.parse().unwrap()).collect()
}

#[test]
fn the_tour_of_the_readme_names_every_folder_of_the_source() {
    let (_, tour) = include_str!("../../README.md").split_once("## Tour of the code").expect("the tour");
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let folders = folders.map(Result::unwrap).filter(|entry| entry.file_type().unwrap().is_dir());
    for name in folders.map(|folder| folder.file_name().into_string().unwrap()) {
        assert!(tour.contains(&format!("`{name}`")), "the tour passes {name} by");
    }
}

#[test]
fn the_readme_shows_how_to_provision_to_let_in_to_report_and_to_ask() {
    let examples = examples();
    for path in ["/tenants\"", "/sign-in-links\"", "/usage/increment\"", "/access\""] {
        let count =
            examples.iter().filter(|example| example.contains(&format!("/api/billing{path}"))).count();
        assert_eq!(count, 1, "{path}");
    }
}

/// Whether there is a curl. In CI there must be.
fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "curl must be installed in CI");
        println!("skipped: curl is not installed");
    }
    found
}

both_databases! {
    async fn the_examples_of_the_readme_work_as_they_are_written(world: World) {
        let examples = examples();
        if !has_curl() {
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let portal = format!("http://{}", listener.local_addr().unwrap());
        let (_serving, stopped) = oneshot::channel::<()>();
        let router = world.portal.router.clone();
        tokio::spawn(serve(listener, router, Limits::default(), async { drop(stopped.await) }));
        let key = world.portal.key(&scopes()).await;
        for example in examples {
            let mut shell = Command::new("sh");
            shell.args(["-eu", "-c", &example]).env("PORTAL", &portal).env("KEY", &key);
            let output = tokio::task::spawn_blocking(move || shell.output()).await.unwrap().unwrap();
            let words = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{example}\n{words}\n{}", String::from_utf8_lossy(&output.stderr));
            let answer: serde_json::Value = serde_json::from_str(&words).unwrap();
            assert!(answer.is_object(), "{example}\n{words}");
        }
    }
}
