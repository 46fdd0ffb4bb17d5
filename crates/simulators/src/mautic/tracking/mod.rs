//! What visitors and readers of emails do: hits, opens, clicks, unsubscribes, forms.

mod reading;
mod submissions;
mod visits;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
    routing::{get, post},
};

use super::simulator::MauticSimulator;

pub(crate) use reading::{bounce, click, link, open, resubscribe, unsubscribe};
pub(crate) use submissions::submit_form;
pub(crate) use visits::missing_page;

/// Everything that needs no credentials because anybody may visit it.
pub(crate) fn routes() -> Router<MauticSimulator> {
    Router::new()
        .route("/mtc.js", get(visits::script))
        .route("/mtc/event", post(visits::event))
        .route("/form/submit", post(submissions::submit))
        .route("/email/{file}", get(reading::open_pixel))
        .route("/email/unsubscribe/{hash}", get(reading::unsubscribe_page))
        .route("/email/unsubscribe/{hash}/{address}/{proof}", get(reading::unsubscribe_signed))
        .route("/email/resubscribe/{hash}", get(reading::resubscribe_page))
        .route("/r/{key}", get(reading::click_redirect))
}

fn page(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=0, must-revalidate, private"));
    response
}

fn html(text: &str) -> Response {
    page("text/html; charset=UTF-8", format!("<!DOCTYPE html>\n<html><body><div>{text}</div></body></html>"))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let cookie = format!("{cookie}; path=/; secure; samesite=none");
    if let Ok(value) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn user_agent(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
