//! Fields of Envoy's API, as ferromesh-proxy treats them.

use ::proxy::reference::{Message, messages};
use ::xds::json::Pool;

use super::{code, page, table};

pub(super) fn fields() -> String {
    let pool = Pool::pruned();
    let mut body = String::new();
    for message in messages() {
        body.push_str(&format!("## {}\n\n", message.name));
        let rows = rows(&pool, message);
        if rows.is_empty() {
            body.push_str("No fields.\n\n");
        } else {
            body.push_str(&table(&["field", "treatment"], rows));
            body.push('\n');
        }
    }
    let introduction = "What `ferromesh-proxy` makes of each field of Envoy's v3 API. A field *has an effect*, is *harmless* (it may be set, and nothing needs to read it, for the reason given), or is *refused*: the resource is rejected with the field's path. Messages that are not listed are refused wherever they stand.";
    page("xDS fields", introduction, &body)
}

fn rows(pool: &Pool, message: &Message) -> Vec<Vec<String>> {
    let mut fields = pool.fields(message.name).unwrap();
    fields.sort_by_key(|field| field.number);
    let mut rows = Vec::new();
    let mut refused = Vec::new();
    for field in fields {
        let known = message.fields.iter().find(|k| k.number == field.number);
        match known.map(|known| known.harmless) {
            None => refused.push(code(&field.name)),
            Some(None) => rows.push(vec![code(&field.name), "has an effect".to_owned()]),
            Some(Some(why)) => rows.push(vec![code(&field.name), format!("harmless: {why}")]),
        }
    }
    if !refused.is_empty() {
        rows.push(vec![refused.join(", "), "refused".to_owned()]);
    }
    rows
}
