//! Plugins that mean harm, operations that fail, processes that die: nothing of it may be left on the node.

mod faults;
mod guests;
mod lab;
mod limits;
mod overreach;
mod real;
mod refused;
mod traps;
