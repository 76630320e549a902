//! What is wrong with a configuration, or with advice about it, before it breaks anything: facts, then rules,
//! then findings. Pure: texts and objects come in, findings go out; nothing here reads a file or a network.

pub mod advice;
pub mod explain;
pub mod finding;

pub use finding::{Change, Edit, EditAction, Evidence, Finding, Fix, Level, NotObservable, Origin};
