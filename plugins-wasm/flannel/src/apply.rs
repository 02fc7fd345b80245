//! The verbs: each is the delegate's, with the configuration that was rendered or saved.

use wasmcni_sdk::meta::{configured_delegate as delegate, saved_configuration as saved};
use wasmcni_sdk::{AttachmentId, CniResult, Context, Error, Request, Steps, log};

use crate::conf::Conf;
use crate::plan::{self, Rendered};
use crate::subnet::Subnet;

/// The configuration is saved at last: a delegate that fails has changed nothing of what was saved
/// for an attachment that stands.
pub(crate) fn add(conf: &Conf, network: &str) -> Result<CniResult, Error> {
    let subnet = Subnet::read(conf.subnet_file.as_deref())?;
    let rendered = plan::render(conf, network, Some(&subnet))?;
    let result = delegate::add(&rendered.kind, &rendered.text)?;
    saved::save(conf.data_dir.as_deref(), &rendered.text)?;
    CniResult::try_from(result)
}

/// With what was saved, or else what would be rendered now. With neither, what wasmcni made is left to
/// its journal.
pub(crate) fn del(request: &Request) -> Result<(), Error> {
    let (data_dir, conf) = Conf::lenient(request);
    let rendered = saved_for_del(data_dir.as_deref()).or_else(|| {
        let conf = conf?;
        let subnet = Subnet::read(conf.subnet_file.as_deref());
        let again = subnet.and_then(|s| plan::render(&conf, &request.network, Some(&s)));
        again.map_err(|e| log::warn(&format!("going on without a delegate: {e}"))).ok()
    });
    if let Some(rendered) = rendered {
        delegate::del(&rendered.kind, &rendered.text)?;
    }
    Ok(saved::remove(data_dir.as_deref())?)
}

/// What was saved, if it can be read.
fn saved_for_del(data_dir: Option<&str>) -> Option<Rendered> {
    let loaded = saved::load(data_dir).map_err(|e| e.detail).transpose()?;
    let rendered = loaded.and_then(Rendered::saved);
    rendered.map_err(|why| log::warn(&format!("going on without what was saved: {why}"))).ok()
}

pub(crate) fn check(conf: &Conf) -> Result<(), Error> {
    let finding = || "finding the delegate's configuration, saved for DEL".to_owned();
    let text = saved::load(conf.data_dir.as_deref()).doing(finding)?;
    let text = text.ok_or_else(|| Error::changed(format!("{}: there is none", finding())))?;
    let rendered =
        Rendered::saved(text).map_err(|why| Error::changed(format!("{}: {why}", finding())))?;
    Ok(delegate::check(&rendered.kind, &rendered.text)?)
}

/// Without flanneld's file too: what goes is found by the delegate's names, not by its subnet.
pub(crate) fn gc(conf: &Conf, network: &str, valid: &[AttachmentId]) -> Result<(), Error> {
    let subnet = Subnet::read(conf.subnet_file.as_deref())
        .map_err(|e| log::warn(&format!("going on without a subnet: {e}")))
        .ok();
    let rendered = plan::render(conf, network, subnet.as_ref())?;
    let mut steps = Steps::default();
    steps.took(delegate::gc(&rendered.kind, &rendered.text));
    steps.took(saved::sweep(conf.data_dir.as_deref(), valid));
    steps.finish()
}

pub(crate) fn status(conf: &Conf, network: &str) -> Result<(), Error> {
    let subnet = Subnet::read(conf.subnet_file.as_deref())?;
    let rendered = plan::render(conf, network, Some(&subnet))?;
    Ok(delegate::status(&rendered.kind, &rendered.text)?)
}
