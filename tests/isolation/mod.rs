//! Plugins that mean harm, operations that fail, processes that die: nothing of it may be left on the node.

mod children;
mod deferred;
mod faults;
mod files;
mod guests;
mod kills;
mod lab;
mod limits;
mod meta;
mod narrowed;
mod networks;
mod overreach;
mod processes;
mod real;
mod refused;
mod sequences;
mod shared;
mod tenants;
mod traps;
