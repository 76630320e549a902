//! What each service answers.

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::page;
use crate::upstream::Upstream;

/// A service of the sample; reviews come in three versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Productpage,
    Details,
    Ratings,
    /// Without stars, with black stars, with red stars.
    Reviews(u8),
}

impl Role {
    /// Reads a role's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "productpage" => Self::Productpage,
            "details" => Self::Details,
            "ratings" => Self::Ratings,
            "reviews-v1" => Self::Reviews(1),
            "reviews-v2" => Self::Reviews(2),
            "reviews-v3" => Self::Reviews(3),
            _ => return None,
        })
    }
}

pub(crate) struct App {
    role: Role,
    pod: String,
    details: Upstream,
    reviews: Upstream,
    ratings: Upstream,
}

type Answer = Response<Full<Bytes>>;

impl App {
    pub(crate) fn new(role: Role) -> Self {
        Self {
            role,
            pod: std::env::var("HOSTNAME").unwrap_or_default(),
            details: Upstream::named("details"),
            reviews: Upstream::named("reviews"),
            ratings: Upstream::named("ratings"),
        }
    }

    pub(crate) async fn answer(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        if path == "/health" {
            return json_answer(StatusCode::OK, &json!({"status": "healthy"}));
        }
        match self.role {
            Role::Productpage => self.productpage(path, request).await,
            Role::Details if path.starts_with("/details/") => {
                json_answer(StatusCode::OK, &details(path))
            }
            Role::Ratings if path.starts_with("/ratings/") => {
                json_answer(StatusCode::OK, &ratings(path))
            }
            Role::Reviews(version) if path.starts_with("/reviews/") => {
                self.reviews(version, path, request).await
            }
            _ => json_answer(
                StatusCode::NOT_FOUND,
                &json!({"error": format!("no page {path}")}),
            ),
        }
    }

    async fn productpage(&self, path: &str, request: &Request<Incoming>) -> Answer {
        let headers = request.headers();
        match path {
            "/" | "/index.html" => html(StatusCode::OK, page::index()),
            "/productpage" => {
                let (details, reviews) = (
                    self.details.get("/details/0", headers).await,
                    self.reviews.get("/reviews/0", headers).await,
                );
                html(StatusCode::OK, page::product(&details, &reviews))
            }
            "/api/v1/products" => {
                json_answer(StatusCode::OK, &json!([{"id": 0, "title": page::TITLE}]))
            }
            "/api/v1/products/0" => relay(self.details.get("/details/0", headers).await),
            "/api/v1/products/0/reviews" => relay(self.reviews.get("/reviews/0", headers).await),
            "/api/v1/products/0/ratings" => relay(self.ratings.get("/ratings/0", headers).await),
            _ => html(StatusCode::NOT_FOUND, page::missing(path)),
        }
    }

    async fn reviews(&self, version: u8, path: &str, request: &Request<Incoming>) -> Answer {
        let mut stars = Value::Null;
        if version > 1 {
            let product = path.trim_start_matches("/reviews/");
            let color = if version == 2 { "black" } else { "red" };
            stars = match self
                .ratings
                .get(&format!("/ratings/{product}"), request.headers())
                .await
            {
                Ok(body) => json!({"color": color, "of": body["ratings"]}),
                Err(_) => json!({"error": "Ratings service is currently unavailable"}),
            };
        }
        let review = |reviewer: &str, text: &str| {
            let mut review = json!({"reviewer": reviewer, "text": text});
            if let Some(count) = stars["of"].get(reviewer) {
                review["rating"] = json!({"stars": count, "color": stars["color"]});
            } else if stars.get("error").is_some() {
                review["rating"] = json!({"error": stars["error"]});
            }
            review
        };
        json_answer(
            StatusCode::OK,
            &json!({
                "id": "0", "podname": self.pod, "clustername": Value::Null, "version": format!("v{version}"),
                "reviews": [
                    review("Reviewer1", "A farce about two pairs of twins; I laughed on every page."),
                    review("Reviewer2", "Slight beside the other plays, and all the better for it."),
                ],
            }),
        )
    }
}

fn details(path: &str) -> Value {
    json!({
        "id": path.trim_start_matches("/details/").parse::<u64>().unwrap_or(0),
        "author": "William Shakespeare", "year": 1595, "type": "paperback", "pages": 200,
        "publisher": "PublisherA", "language": "English",
        "ISBN-10": "1234567890", "ISBN-13": "123-1234567890",
    })
}

fn ratings(path: &str) -> Value {
    json!({
        "id": path.trim_start_matches("/ratings/").parse::<u64>().unwrap_or(0),
        "ratings": {"Reviewer1": 5, "Reviewer2": 4},
    })
}

fn relay(result: Result<Value, (StatusCode, String)>) -> Answer {
    match result {
        Ok(body) => json_answer(StatusCode::OK, &body),
        Err((status, why)) => json_answer(status, &json!({"error": why})),
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    answer(status, "application/json", body.to_string())
}

fn html(status: StatusCode, body: String) -> Answer {
    answer(status, "text/html; charset=utf-8", body)
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_has_a_name() {
        for name in [
            "productpage",
            "details",
            "ratings",
            "reviews-v1",
            "reviews-v2",
            "reviews-v3",
        ] {
            assert!(Role::parse(name).is_some(), "{name}");
        }
        assert!(Role::parse("reviews-v4").is_none());
    }
}
