//! What is wrong with a configuration, or with advice about it, before it breaks anything: facts, then rules,
//! then findings. Pure: texts and objects come in, findings go out; nothing here reads a file or a network.

pub mod advice;
mod certificate;
pub mod coverage;
pub mod explain;
pub mod facts;
pub mod finding;
pub mod fix;
pub mod fuzzing;
pub mod input;
pub mod knowledge;
pub mod pages;
pub mod render;
pub mod rules;
mod run;
mod tables;

pub use facts::{Facts, Mesh};
pub use finding::{Change, Edit, EditAction, Evidence, Finding, Fix, Level, NotObservable, Origin};
pub use input::{Input, Note};
pub use run::{Options, Suppression, analyze, worst};
