//! Entries: what one attachment has in a table. Adding and deleting one is a single transaction.
//!
//! An entry is two elements. The claim stands in a set that is keyed by what only one attachment
//! can have at a time (an address, a port) and carries the label, and the companion in another set
//! says the rest. Rules look up both and never change when an entry comes or goes.
//!
//! A transaction that the kernel undoes half-way waits for an RCU grace period, 10 to 20 ms with
//! nf_tables locked for all. So nothing is tried blindly: the kernel is asked what is there, and
//! the transaction names the ruleset's generation that the answer was about. If somebody changed
//! anything meanwhile it is refused at its begin, which costs nothing, and the kernel is asked
//! again.

use super::batch::{Channel, Failure, Generation, generation, get_generation, transact};
use super::label::Label;
use super::message::{Answer, Message};
use super::table::{Element, Table, elements};
use crate::kernel::{Errno, Owner};

/// What one attachment has in a table.
pub(super) trait Entry {
    /// The table.
    const TABLE: Table;

    /// Whose it is.
    fn owner(&self) -> &Owner;

    /// The element that is claimed.
    fn claim(&self) -> Element;

    /// What the label says besides the owner, from which the companion can be told.
    fn detail(&self) -> String;

    /// The companion of this entry's claim if its label had this detail; `None`: no such detail.
    fn companion(&self, detail: &str) -> Option<Element>;

    /// Makes the table with its rules.
    fn make_table() -> Vec<Message>;

    /// Makes the companion's set and the rule that looks it up, if the table is not made with it.
    fn make_companion_set(&self) -> Vec<Message>;
}

/// Adds the entry, in place of any other with its claim.
pub(super) fn add<E: Entry>(channel: &mut Channel, entry: &E) -> Result<(), Failure> {
    let label = Label { detail: entry.detail(), owner: entry.owner().clone() };
    let Some(companion) = entry.companion(&label.detail) else {
        return Err(Failure::whole(Errno::EINVAL));
    };
    transact_with_companion(channel, |channel, with_companion| {
        let [number, claim, set] = channel.ask([
            get_generation(),
            E::TABLE.get_element(&entry.claim()),
            E::TABLE.get_set(&companion.set),
        ])?;
        let mut changes = Vec::new();
        if let Some(claim) = claim {
            changes = removal(entry, label_of(&claim).as_ref(), with_companion);
        }
        if set.is_none() {
            let [table] = channel.ask([E::TABLE.get()])?;
            if table.is_none() {
                changes.extend(E::make_table());
            }
            changes.extend(entry.make_companion_set());
        }
        changes.push(E::TABLE.create_element(&entry.claim(), &label));
        changes.push(E::TABLE.add_element(&companion));
        Ok((generation(number.as_ref())?, changes))
    })
    .map_err(|failure| incomplete(E::TABLE, failure))
}

/// Says what `ENOENT` means when something is added: what was there when the kernel was asked leaves out
/// something that the table was made with.
pub(super) fn incomplete(table: Table, failure: Failure) -> Failure {
    if failure.errno != Errno::ENOENT {
        return failure;
    }
    let hint =
        format!("table \"{}\" was changed by hand; delete it, and it is made anew", table.name);
    Failure { message: None, errno: Errno::ENOENT, hint: Some(hint) }
}

/// Deletes the entry if it is there and belongs to its owner.
pub(super) fn delete<E: Entry>(channel: &mut Channel, entry: &E) -> Result<(), Failure> {
    transact_with_companion(channel, |channel, with_companion| {
        let [number, claim] =
            channel.ask([get_generation(), E::TABLE.get_element(&entry.claim())])?;
        let owned = claim.as_ref().and_then(label_of).filter(|l| l.is_of(entry.owner()));
        let changes = owned.map_or_else(Vec::new, |l| removal(entry, Some(&l), with_companion));
        Ok((generation(number.as_ref())?, changes))
    })
}

/// [`transact`] for entries: the second argument of `plan` is false once a companion that was to be removed
/// turned out to be missing, because somebody removed it by hand.
fn transact_with_companion(
    channel: &mut Channel,
    plan: impl Fn(&mut Channel, bool) -> Result<(Generation, Vec<Message>), Failure>,
) -> Result<(), Failure> {
    match transact(channel, |channel| plan(channel, true)) {
        Err(Failure { message: Some(REMOVED_COMPANION), errno: Errno::ENOENT, .. }) => {
            transact(channel, |channel| plan(channel, false))
        }
        done => done,
    }
}

/// Where in a transaction that removes a claim its companion is removed; see [`removal`].
const REMOVED_COMPANION: usize = 1;

fn removal<E: Entry>(entry: &E, label: Option<&Label>, with_companion: bool) -> Vec<Message> {
    let companion = label.filter(|_| with_companion).and_then(|l| entry.companion(&l.detail));
    let elements = [Some(entry.claim()), companion];
    elements.iter().flatten().map(|e| E::TABLE.delete_element(e)).collect()
}

pub(super) fn label_of(answer: &Answer) -> Option<Label> {
    elements(answer).find_map(|seen| seen.label)
}
