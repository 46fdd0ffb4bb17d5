//! The shell blocks of each page are run in their order, from a fresh folder, as a reader runs them.

use crate::markdown::{Page, pages};
use crate::stage::Stage;

fn page(name: &str) -> Page {
    pages().into_iter().find(|page| page.name == name).expect("the page is there")
}

fn run(name: &str) {
    Stage::set().play(&page(name));
}

#[test]
fn the_readme_can_be_followed() {
    run("README.md");
}

#[test]
fn the_pages_can_be_followed() {
    for page in pages().iter().filter(|page| page.name != "README.md") {
        Stage::set().play(page);
    }
}
