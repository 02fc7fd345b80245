(component ;; Wants the environment.
  (import "wasi:cli/environment@0.2.0"
    (instance (export "get-arguments" (func (result (list string)))))))
