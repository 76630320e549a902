//! The one pair of built-in types that are two views of the same objects: Events of the core group and
//! of `events.k8s.io`. They are stored in the core form.

use serde_json::Value;

/// Core name and name in `events.k8s.io`.
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(event: &mut Value, from: &str, to: &str) {
    if let Some(map) = event.as_object_mut()
        && let Some(value) = map.remove(from)
    {
        map.insert(to.into(), value);
    }
}

pub(crate) fn event_to_core(event: &mut Value) {
    for (core, new) in RENAMED {
        rename(event, new, core);
    }
    event["apiVersion"] = "v1".into();
}

pub(crate) fn event_from_core(event: &mut Value) {
    for (core, new) in RENAMED {
        rename(event, core, new);
    }
    event["apiVersion"] = "events.k8s.io/v1".into();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_survives_the_way_through_the_other_form() {
        let core = json!({"apiVersion": "v1", "kind": "Event", "involvedObject": {"kind": "Pod"}, "message": "m",
            "reason": "r", "count": 2, "firstTimestamp": "t", "source": {"component": "c"}, "metadata": {"name": "e"}});
        let mut event = core.clone();
        event_from_core(&mut event);
        assert_eq!(
            (event["note"].as_str(), event["regarding"]["kind"].as_str()),
            (Some("m"), Some("Pod"))
        );
        assert_eq!(event.get("message"), None);
        event_to_core(&mut event);
        assert_eq!(event, core);
    }
}
