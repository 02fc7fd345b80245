//! Every key of every plugin by what it does on the real kernel, as other programs see it.
