(component ;; Wants more of an interface than there is.
  (import "wasmcni:net/netns@0.1.0"
    (instance (export "open-path" (func (param "path" string))))))
