(component ;; Wants a later version of the contract.
  (import "wasmcni:cni/log@9.0.0"
    (instance (export "log" (func (param "message" string))))))
