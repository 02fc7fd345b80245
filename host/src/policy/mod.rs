//! Who may do what: grants, read strictly from files, and refusals that say why.

mod compiled;
mod denied;
mod grant;
mod limits;
mod op;
mod parse;
mod pattern;

pub use compiled::{decode, encode};
pub use denied::{Denied, Nearest};
pub use grant::{ComponentPin, Grant, Grants};
pub use limits::Limits;
pub use op::{IMPORTS, OPS, Op, OpKind, Value, ops_of};
pub use parse::{PolicyError, parse};
pub use pattern::Facts;
