//! Who may do what: grants, read strictly from files, and refusals that say why.

mod compiled;
mod denied;
mod doubts;
mod grant;
mod limits;
mod op;
mod parse;
mod pattern;

pub use compiled::{decode, encode};
pub use denied::{Denied, Nearest};
pub use doubts::{Doubt, doubts};
pub use grant::{ComponentPin, Grant, Grants, Unserved};
pub use limits::Limits;
pub use op::{Holds, IMPORTS, Key, Need, OPS, Op, OpKind, Value, ops_of};
pub use parse::{PolicyError, check, parse};
pub use pattern::Facts;
