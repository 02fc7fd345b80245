//! The trait that a plugin implements, and the line that exports it.

use std::fmt;
use std::marker::PhantomData;

use crate::bindings::exports::wasmcni::cni::plugin as wit;
use crate::bindings::wasmcni::cni::types;
use crate::{AttachmentId, CniResult, Error, NetworkRequest, Request};

/// What a plugin does, one function a verb. The host calls one of them per process: nothing is kept
/// from one call to the next.
///
/// All but `add` succeed without doing anything unless they are written. A plugin that runs an IPAM
/// plugin must pass each verb on to it: [`Ipam`](crate::ipam::Ipam) has them all.
pub trait Plugin {
    /// Makes the attachment.
    ///
    /// # Errors
    /// Anything that kept it from being made whole. The host then undoes what was done, and has
    /// delegates release what they gave.
    fn add(request: Request) -> Result<CniResult, Error>;

    /// Removes the attachment. It may be gone, wholly or partly, as may its netns; the configuration
    /// may be broken. What is left of an attachment that wasmcni made, the host removes.
    ///
    /// # Errors
    /// What could not be removed, after the rest has been.
    fn del(request: Request) -> Result<(), Error> {
        let _ = request;
        Ok(())
    }

    /// Looks for what `add` made; `request.prev_result` is there. What others added does not matter.
    ///
    /// # Errors
    /// [`Error::changed`], naming what is missing or changed.
    fn check(request: Request) -> Result<(), Error> {
        let _ = request;
        Ok(())
    }

    /// Removes what belongs to none of the valid attachments of the network. What the host's journals
    /// know of, the host removes.
    ///
    /// # Errors
    /// What could not be removed, after the rest has been.
    fn gc(request: NetworkRequest, valid: Vec<AttachmentId>) -> Result<(), Error> {
        let _ = (request, valid);
        Ok(())
    }

    /// Says whether an ADD could be served now.
    ///
    /// # Errors
    /// Code 50, or 51 if existing attachments may suffer as well.
    fn status(request: NetworkRequest) -> Result<(), Error> {
        let _ = request;
        Ok(())
    }
}

/// A [`Plugin`] behind the generated interface. See [`export_plugin`](crate::export_plugin).
pub struct Adapter<P>(PhantomData<P>);

impl<P> fmt::Debug for Adapter<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

impl<P: Plugin> wit::Guest for Adapter<P> {
    fn add(request: types::Request) -> Result<types::CniResult, types::CniError> {
        Ok(P::add(request.try_into()?)?.into())
    }

    fn del(request: types::Request) -> Result<(), types::CniError> {
        Ok(P::del(request.try_into()?)?)
    }

    fn check(request: types::Request) -> Result<(), types::CniError> {
        Ok(P::check(request.try_into()?)?)
    }

    fn gc(
        request: types::NetworkRequest,
        valid: Vec<types::AttachmentId>,
    ) -> Result<(), types::CniError> {
        Ok(P::gc(request.into(), valid)?)
    }

    fn status(request: types::NetworkRequest) -> Result<(), types::CniError> {
        Ok(P::status(request.into())?)
    }
}

/// Makes the crate (a `cdylib`) a component that is this [`Plugin`].
///
/// Built for anything but wasm it makes nothing, so that tests run natively.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::Adapter<$plugin>;
    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Puts the rights that the plugin asks for into the component: a grant file whose path is relative to this
/// source file, with `component = "this"`. `wasmcni inspect` and `wasmcni plugin add` show it.
#[macro_export]
macro_rules! manifest {
    ($path:literal) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            const TEXT: &[u8] = include_bytes!($path);
            // A section of its own, which no memory ever holds.
            #[allow(unsafe_code, reason = "says where a text is put in the file; nothing runs")]
            #[unsafe(link_section = "wasmcni:manifest")]
            #[used]
            static MANIFEST: [u8; TEXT.len()] = *include_bytes!($path);
        };
    };
}
