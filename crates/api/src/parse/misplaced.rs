//! A field in the wrong place: where its kind really has it.

use crate::path::{Path, Segment, segments};
use crate::schema::Tree;

/// Says where the field belongs, unless a field of this message has nearly the same name.
pub(super) fn suggestion(
    tree: Option<&Tree>,
    at: &Path<'_>,
    field: &str,
    siblings: &[&str],
) -> Option<String> {
    let close = |sibling: &&str| strsim::damerau_levenshtein(sibling, field) <= 1;
    if field.len() < 3 || siblings.iter().any(close) {
        return None;
    }
    let here = shape(&at.to_string());
    let mut places: Vec<String> = tree?.places_of(field);
    places.retain(|place| !place.starts_with("status.") && !place.starts_with("metadata."));
    // The one that shares most with where it stands is the one that was meant.
    let meant = places
        .iter()
        .max_by_key(|place| (common(place, &here), std::cmp::Reverse(place.len())))?;
    Some(format!("this kind has {field:?} at {meant}"))
}

/// The path with lists as `[]`, as [`Tree::places_of`] writes them.
fn shape(path: &str) -> String {
    let mut text = String::new();
    for segment in segments(path) {
        match segment {
            Segment::Index(_) => text.push_str("[]"),
            Segment::Key(key) if text.is_empty() => text.push_str(&key),
            Segment::Key(key) => {
                text.push('.');
                text.push_str(&key);
            }
        }
    }
    text
}

fn common(a: &str, b: &str) -> usize {
    a.split('.')
        .zip(b.split('.'))
        .take_while(|(a, b)| a == b)
        .count()
}
