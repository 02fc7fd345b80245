//! The only way to the kernel: each verb names its operation, looks for the grant, writes down the
//! undo, acts.
//!
//! Host calls hold a [`Gate`], never a kernel, so one that forgets the check does not compile.

mod address;
mod bridge;
mod child;
mod devices;
mod firewall;
mod firewalld;
mod flannel;
mod intents;
mod link;
mod port_map;
mod reservations;
mod route;
mod rule;
mod shaping;
mod sysctl;
mod tap;
mod trail;
mod tuning;
mod vrf;

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;
use std::time::{Duration, Instant};

use go_json::Node;
use ipnet::IpNet;

use crate::journal::{Journal, JournalError, Place, Sharing, Undo};
use crate::kernel::{Errno, IfIndex, Kernel, KernelError, Owner, Role};
use crate::names::{Attachment, IfName, PluginName};
use crate::policy::{Denied, Facts, Grants, Op};

pub use child::{NewChild, NewKind};
pub use devices::DeviceKey;
pub use link::{NewBridge, NewVeth};
pub use reservations::OpenStore;
pub use sysctl::Family;
pub use tap::NewTap;
pub use trail::{Ran, Step, Trail, Verdict};

/// A link as a guest holds it. The index says which one, the name is for grants and messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkHandle {
    /// Where it is.
    pub role: Role,
    /// Its index there.
    pub index: IfIndex,
    /// Its name when the handle was made.
    pub name: IfName,
}

/// Why a verb was not done. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No grant allows it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// What the guest said makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The undo could not be written down, so it was not done.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The reservations could not be used.
    #[error(transparent)]
    Store(#[from] crate::ipam::StoreError),
    /// The resolver's file could not be read.
    #[error(transparent)]
    Resolver(#[from] crate::ipam::resolv_conf::ResolvConfError),
    /// A file of a flannel network could not be used.
    #[error(transparent)]
    Flannel(#[from] crate::flannel::FileError),
}

/// What a verb returns.
pub type Result<T> = std::result::Result<T, Refusal>;

/// What one call works on, shared by the plugin and its delegates.
pub struct Call {
    kernel: RefCell<Box<dyn Kernel>>,
    journal: RefCell<Option<Journal>>,
    /// Networks and gateways that the IPAM delegate gave in this call.
    ipam: RefCell<Vec<IpNet>>,
    /// Addresses that the plugins before this one gave.
    pub(crate) prev: Vec<IpNet>,
    /// Whose call it is; `None` for GC and STATUS.
    pub attachment: Option<Attachment>,
    /// Whether acts are written down, to be taken back: those of ADD. What DEL takes away is to be gone.
    pub adding: bool,
    /// Name of the network.
    pub network: String,
    /// The pairs of CNI_ARGS; none, if it cannot be read.
    pub(crate) args: Vec<(String, String)>,
    /// The network configuration.
    pub configuration: Node,
    /// When the call has to be over.
    pub deadline: Instant,
    /// Directories of the node.
    pub directories: crate::directories::Directories,
    /// What plugins ask for.
    pub(crate) trail: Rc<Trail>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("attachment", &self.attachment).finish_non_exhaustive()
    }
}

impl Call {
    /// A call on a kernel. `journal`: where undos are written; `None` for verbs that change nothing
    /// of an attachment.
    #[allow(clippy::too_many_arguments, reason = "each is a field, and of another type")]
    pub fn new(
        kernel: Box<dyn Kernel>,
        journal: Option<Journal>,
        attachment: Option<Attachment>,
        adding: bool,
        network: String,
        configuration: Node,
        deadline: Instant,
        directories: crate::directories::Directories,
    ) -> Self {
        Self {
            kernel: RefCell::new(kernel),
            journal: RefCell::new(journal),
            ipam: RefCell::new(Vec::new()),
            prev: Vec::new(),
            attachment,
            adding,
            network,
            args: Vec::new(),
            configuration,
            deadline,
            directories,
            trail: Rc::default(),
        }
    }

    /// The journal, for the verb's own beginning and end.
    pub(crate) fn journal(&self) -> RefMut<'_, Option<Journal>> {
        self.journal.borrow_mut()
    }

    /// The kernel, for undoing.
    pub(crate) fn kernel(&self) -> RefMut<'_, Box<dyn Kernel>> {
        self.kernel.borrow_mut()
    }

    /// Notes what IPAM gave: grants may say `@ipam`.
    pub(crate) fn note_ipam(&self, networks: impl IntoIterator<Item = IpNet>) {
        self.ipam.borrow_mut().extend(networks);
    }

    /// Time left until the deadline.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The kernel behind one plugin's grants.
#[derive(Debug)]
pub struct Gate {
    call: Rc<Call>,
    grants: Rc<Grants>,
    plugin: PluginName,
    /// Links of devices that were found in this call: these may be taken.
    found: Vec<LinkHandle>,
    /// What the plugin was configured with, if that is not the call's own configuration.
    configuration: Option<Node>,
    last_refusal: Option<(String, bool)>,
    /// Links that have been seen to have a default route: a dump of all routes is not repeated for each act.
    ways_out: RefCell<Vec<(Role, IfName)>>,
}

impl Gate {
    /// A gate for `plugin` with what it was granted.
    pub fn new(call: Rc<Call>, grants: Rc<Grants>, plugin: PluginName) -> Self {
        Self {
            call,
            grants,
            plugin,
            found: Vec::new(),
            configuration: None,
            last_refusal: None,
            ways_out: RefCell::default(),
        }
    }

    /// The same for a plugin that was given another configuration than the call's own: it is what
    /// grants mean by `@config.…`.
    #[must_use]
    pub fn configured(self, configuration: Node) -> Self {
        Self { configuration: Some(configuration), ..self }
    }

    /// The call that it belongs to.
    pub fn call(&self) -> &Rc<Call> {
        &self.call
    }

    /// Whose gate it is.
    pub fn plugin(&self) -> &str {
        self.plugin.as_str()
    }

    /// The last refusal for want of a grant, as one sentence, if any.
    pub fn last_denial(&self) -> Option<&str> {
        self.last_refusal.as_ref().filter(|(_, denied)| *denied).map(|(text, _)| text.as_str())
    }

    /// Looks for a grant.
    pub(crate) fn permit(&self, op: &Op) -> Result<()> {
        let journal = self.call.journal.borrow();
        let role = op.netns.unwrap_or(Role::Host);
        let own = |name: &str| journal.as_ref().is_some_and(|j| j.made_link_named(role, name));
        let configuration = self.configuration.as_ref().unwrap_or(&self.call.configuration);
        let config = |path: &str| config_text(configuration, path);
        let ipam = self.call.ipam.borrow();
        let ifname = self.call.attachment.as_ref().map_or("", |a| a.ifname.as_str());
        let peer = || self.peer().filter(|_| role == Role::Host).map(|name| name.to_string());
        let leads_out = |name: &str| self.leads_out(child::parents_netns(op), name);
        let args = |key: &str| {
            let of_key = self.call.args.iter().filter(|(name, _)| name == key);
            of_key.map(|(_, value)| value.clone()).collect()
        };
        let facts = Facts {
            ifname,
            config: &config,
            own: &own,
            peer: &peer,
            default_route: &leads_out,
            prev: &self.call.prev,
            ipam: &ipam,
            network: &self.call.network,
            args: &args,
        };
        let trail = &self.call.trail;
        match self.grants.allow(op, &facts) {
            Ok(grant) => {
                trail.granted(self.plugin(), op, &self.grants, grant);
                Ok(())
            }
            Err(denied) => {
                let denied = Denied { plugin: self.plugin.to_string(), ..denied };
                trail.refused(self.plugin(), op, &denied);
                Err(denied.into())
            }
        }
    }

    /// Remembers a refusal, for the error that the runtime gets.
    pub(crate) fn note(&mut self, refusal: &Refusal) {
        let denied = matches!(refusal, Refusal::Denied(_));
        self.call.trail.failed(self.plugin(), refusal);
        self.last_refusal = Some((refusal.to_string(), denied));
    }

    fn kernel(&self) -> RefMut<'_, Box<dyn Kernel>> {
        self.call.kernel.borrow_mut()
    }

    fn own(&self, link: &LinkHandle) -> bool {
        let journal: Ref<'_, Option<Journal>> = self.call.journal.borrow();
        journal.as_ref().is_some_and(|j| j.made_link(link.role, link.index))
    }

    /// The node's end of the container's veth, whoever made it.
    fn peer(&self) -> Option<IfName> {
        let ifname = &self.call.attachment.as_ref()?.ifname;
        let mut kernel = self.kernel();
        let near = kernel.link_by_name(Role::Container, ifname).ok()??;
        let far = kernel.link_by_index(Role::Host, near.parent?).ok()??;
        // A number of another namespace may be a link's here: only the right one names the near end.
        let both = near.kind == "veth" && far.kind == "veth" && far.parent == Some(near.index);
        both.then_some(far.name)
    }

    /// Permission for what may be done freely to one's own link.
    fn permit_on(&self, link: &LinkHandle, op: Op) -> Result<()> {
        let op = op.in_netns(link.role).text("name", link.name.as_str());
        self.permit_unless_own(link, op)
    }

    /// The same for an act that names the link already.
    fn permit_unless_own(&self, link: &LinkHandle, op: Op) -> Result<()> {
        if self.own(link) {
            self.call.trail.own(self.plugin(), &op);
            return Ok(());
        }
        self.permit(&op)
    }

    /// Where a role's things are, for the journal.
    fn place(&self, role: Role) -> Result<Place> {
        match self.kernel().netns(role) {
            Some(netns) => Ok(Place { role, netns }),
            None => Err(KernelError::new(format!("entering {role}"), Errno::ENOENT).into()),
        }
    }

    /// Writes the undos down, acts, and strikes them again if the kernel refused.
    ///
    /// Without a journal (CHECK, STATUS, GC) nothing may be changed.
    fn act<T>(
        &self,
        undo: impl IntoIterator<Item = (Undo, Sharing)>,
        act: impl FnOnce(&mut dyn Kernel) -> crate::kernel::Result<T>,
    ) -> Result<T> {
        let mut journal = self.call.journal.borrow_mut();
        let journal = journal.as_mut().ok_or_else(|| {
            Refusal::Invalid("changing the kernel is for add and del, not for this verb".into())
        })?;
        let mut ids = Vec::new();
        for (undo, sharing) in undo.into_iter().filter(|_| self.call.adding) {
            let ports = match undo.counted_on().filter(|_| sharing == Sharing::Shared) {
                Some((at, link)) => self.ports(at.role, link)?,
                None => Vec::new(),
            };
            ids.push(journal.will_beside(undo, sharing, ports)?);
        }
        let done = act(self.call.kernel.borrow_mut().as_mut());
        if let Err(e) = &done
            && certain(e.errno)
        {
            for id in ids {
                journal.not_done(id)?;
            }
        }
        Ok(done?)
    }

    fn ports(&self, role: Role, link: IfIndex) -> Result<Vec<IfIndex>> {
        let links = self.kernel().links(role)?.into_iter();
        Ok(links.filter(|other| other.master == Some(link)).map(|port| port.index).collect())
    }

    /// Whose something is that hangs on a link which was there before: on the node, others may come to count on
    /// it; in the container, it is the attachment's.
    fn sharing(link: &LinkHandle) -> Sharing {
        match link.role {
            Role::Host => Sharing::Shared,
            Role::Container => Sharing::Own,
        }
    }

    /// Acts on what dies with an attachment's own link: no undo of its own is needed.
    fn act_on_own<T>(
        &self,
        act: impl FnOnce(&mut dyn Kernel) -> crate::kernel::Result<T>,
    ) -> Result<T> {
        self.act([], act)
    }

    /// Strikes from the journal what the plugin itself has removed.
    fn removed(&self, gone: impl Fn(&crate::journal::Record) -> bool) {
        if let Some(journal) = self.call.journal.borrow_mut().as_mut() {
            journal.removed(gone);
        }
    }

    /// Whose what is made now is.
    pub(crate) fn owner(&self) -> Result<Owner> {
        let attachment = self.attachment()?;
        Ok(Owner {
            network: attachment.network.to_string(),
            container_id: attachment.container_id.to_string(),
            ifname: attachment.ifname.to_string(),
        })
    }

    fn attachment(&self) -> Result<&Attachment> {
        let none = || Refusal::Invalid("this verb is about no attachment".into());
        self.call.attachment.as_ref().ok_or_else(none)
    }

    /// At most what the guest asked for, at most what the deadline leaves.
    fn patience(&self, milliseconds: u32) -> Duration {
        Duration::from_millis(milliseconds.into()).min(self.call.time_left())
    }
}

/// Whether an error says that nothing was done. After a lost answer it may have been.
fn certain(errno: Errno) -> bool {
    !matches!(errno, Errno::ETIMEDOUT | Errno::EINTR | Errno::ENOBUFS | Errno::EIO | Errno::EPROTO)
}

/// The text at `a.b.0` of a configuration, keys matched as Go's JSON does; in an array, the entry of that
/// number, from 0.
fn config_text(configuration: &Node, path: &str) -> Option<String> {
    let mut node = configuration;
    for key in path.split('.') {
        node = match node.as_array() {
            Some(entries) => entries.get(key.parse::<usize>().ok()?)?,
            None => node.get(key)?,
        };
    }
    node.as_str().map(str::to_owned)
}
