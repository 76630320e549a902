//! JSON patches (RFC 6902) from anybody. The `json-patch` crate applies them; here is what bounds their effect: a few
//! hundred bytes of `copy` double an object until memory ends, and a few of `move` nest it until no parser reads it.

use json_patch::{PatchError, PatchOperation};
use serde_json::Value;

use crate::bounds::{MAX_BYTES, MAX_DEPTH, Measure};

/// Operations of one patch; kube-apiserver's bound.
const MAX_OPERATIONS: usize = 10_000;
/// Bytes that `copy` may add in all; kube-apiserver's bound (`JSONPatchMaxCopyBytes`).
const MAX_COPIED: usize = MAX_BYTES;
/// Bytes that `move` may look at in all.
const MAX_MOVED: usize = 16 * MAX_BYTES;

/// A patch that was read.
#[derive(Debug, Clone)]
pub(crate) struct JsonPatch(Vec<PatchOperation>);

/// Why a patch is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonPatchError {
    #[error("error decoding patch: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {0}")]
    TooManyOperations(usize),
    #[error("operation '/{0}' copies or moves more than a patch may")]
    TooMuch(usize),
    #[error("operation '/{0}' nests the object more than {MAX_DEPTH} deep")]
    TooDeep(usize),
    #[error(transparent)]
    Operation(PatchError),
}

impl JsonPatch {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, JsonPatchError> {
        let json_patch::Patch(operations) = serde_json::from_slice(bytes)?;
        if operations.len() > MAX_OPERATIONS {
            return Err(JsonPatchError::TooManyOperations(operations.len()));
        }
        Ok(Self(operations))
    }

    /// The object after all operations.
    pub(crate) fn apply(&self, object: &Value) -> Result<Value, JsonPatchError> {
        let mut next = object.clone();
        let (mut copied, mut moved) = (0, 0);
        for (index, operation) in self.0.iter().enumerate() {
            let brought = match operation {
                PatchOperation::Add(add) => Some((&add.path, &add.value)),
                PatchOperation::Replace(replace) => Some((&replace.path, &replace.value)),
                PatchOperation::Copy(copy) => next
                    .pointer(copy.from.as_str())
                    .map(|value| (&copy.path, value)),
                PatchOperation::Move(from) => next
                    .pointer(from.from.as_str())
                    .map(|value| (&from.path, value)),
                PatchOperation::Remove(_) | PatchOperation::Test(_) => None,
            };
            if let Some((path, value)) = brought {
                let Measure { depth, bytes } = Measure::of(value);
                match operation {
                    PatchOperation::Copy(_) => copied += bytes,
                    PatchOperation::Move(_) => moved += bytes,
                    _ => {}
                }
                if copied > MAX_COPIED || moved > MAX_MOVED {
                    return Err(JsonPatchError::TooMuch(index));
                }
                if path.count() + depth > MAX_DEPTH {
                    return Err(JsonPatchError::TooDeep(index));
                }
            }
            json_patch::patch(&mut next, std::slice::from_ref(operation)).map_err(
                |mut error| {
                    error.operation = index;
                    JsonPatchError::Operation(error)
                },
            )?;
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(object: &Value, patch: &Value) -> Result<Value, JsonPatchError> {
        JsonPatch::read(patch.to_string().as_bytes())?.apply(object)
    }

    #[test]
    fn copies_cannot_fill_the_memory() {
        let double = |i| json!({"op": "copy", "from": "/a", "path": format!("/a/{i}")});
        let patch: Vec<Value> = (0..60).map(double).collect();
        let outcome = apply(&json!({"a": {"x": "y"}}), &patch.into());
        assert!(matches!(outcome, Err(JsonPatchError::TooMuch(_))));
    }

    #[test]
    fn moves_cannot_nest_beyond_what_can_be_read_again() {
        let deeper = [
            json!({"op": "move", "from": "/a", "path": "/b/a"}),
            json!({"op": "move", "from": "/b", "path": "/a"}),
            json!({"op": "add", "path": "/b", "value": {}}),
        ];
        let patch: Vec<Value> = (0..3000).flat_map(|_| deeper.clone()).collect();
        let outcome = apply(&json!({"a": {}, "b": {}}), &patch.into());
        assert!(matches!(outcome, Err(JsonPatchError::TooDeep(_))));
    }

    #[test]
    fn a_failed_operation_is_named_by_its_place() {
        let patch = json!([
            {"op": "add", "path": "/a", "value": 1},
            {"op": "remove", "path": "/b"},
        ]);
        let error = apply(&json!({}), &patch).unwrap_err().to_string();
        assert!(
            error.starts_with("operation '/1' failed at path '/b'"),
            "{error}"
        );
    }
}
