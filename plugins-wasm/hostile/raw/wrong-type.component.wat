(component ;; Wants a function that there is, with other parameters.
  (import "wasmcni:net/spoof-guard@0.1.0"
    (instance (export "clear" (func (param "everything" u32))))))
