//! The pages of productpage: plain HTML without scripts.

use std::fmt::Write;

use http::StatusCode;
use serde_json::Value;

pub(crate) const TITLE: &str = "The Comedy of Errors";

type Fetched = Result<Value, (StatusCode, String)>;

fn frame(body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Simple Bookstore App</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}}\
         .black{{color:#222}}.red{{color:#c00}}.error{{color:#c00}}</style></head>\n<body>\n{body}</body>\n</html>\n"
    )
}

pub(crate) fn index() -> String {
    frame("<h1>Bookinfo</h1>\n<p><a href=\"/productpage\">The product page</a></p>\n")
}

pub(crate) fn missing(path: &str) -> String {
    frame(&format!(
        "<h1>Not found</h1>\n<p>There is no page {}.</p>\n",
        escape(path)
    ))
}

pub(crate) fn product(details: &Fetched, reviews: &Fetched) -> String {
    let mut body = format!("<h1>{TITLE}</h1>\n<h2>Book details</h2>\n");
    match details {
        Ok(details) => {
            body.push_str("<dl>\n");
            for key in [
                "type",
                "pages",
                "publisher",
                "language",
                "ISBN-10",
                "ISBN-13",
            ] {
                let value = details[key]
                    .as_str()
                    .map_or_else(|| details[key].to_string(), str::to_owned);
                let _ = writeln!(body, "<dt>{key}</dt><dd>{}</dd>", escape(&value));
            }
            body.push_str("</dl>\n");
        }
        Err(error) => failure(&mut body, "product details", error),
    }
    body.push_str("<h2>Book reviews</h2>\n");
    match reviews {
        Ok(reviews) => list(&mut body, reviews),
        Err(error) => failure(&mut body, "product reviews", error),
    }
    frame(&body)
}

fn list(body: &mut String, reviews: &Value) {
    for review in reviews["reviews"].as_array().into_iter().flatten() {
        let text = |key: &str| escape(review[key].as_str().unwrap_or_default());
        let _ = writeln!(
            body,
            "<blockquote><p>{}</p><small>{}</small>",
            text("text"),
            text("reviewer")
        );
        let rating = &review["rating"];
        if let Some(stars) = rating["stars"].as_u64() {
            let color = if rating["color"] == "red" {
                "red"
            } else {
                "black"
            };
            let stars = "★".repeat(usize::try_from(stars.min(5)).unwrap_or(0));
            let _ = writeln!(
                body,
                "<p class=\"{color}\" data-stars=\"{color}\">{stars}</p>"
            );
        } else if let Some(error) = rating["error"].as_str() {
            let _ = writeln!(body, "<p class=\"error\">{}</p>", escape(error));
        }
        body.push_str("</blockquote>\n");
    }
    let served = |key: &str| escape(reviews[key].as_str().unwrap_or_default());
    let _ = writeln!(
        body,
        "<p>Reviews served by: {} (reviews {})</p>",
        served("podname"),
        served("version")
    );
}

fn failure(body: &mut String, what: &str, (status, why): &(StatusCode, String)) {
    let _ = writeln!(
        body,
        "<p class=\"error\">Sorry, {what} are currently unavailable for this book ({}: {}).</p>",
        status.as_u16(),
        escape(why)
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_part_leaves_the_rest_of_the_page() {
        let details = Ok(serde_json::json!({"pages": 200}));
        let reviews = Err((StatusCode::SERVICE_UNAVAILABLE, "<down>".to_owned()));
        let page = product(&details, &reviews);
        assert!(page.contains("<dd>200</dd>") && page.contains("503: &lt;down&gt;"));
    }
}
