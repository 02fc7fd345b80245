  ;; Logs what is no UTF-8.
  (import "wasmcni:cni/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (data (i32.const 1024) "\ff\fe")
  (func $add (result i32)
    (call $log (i32.const 0) (i32.const 1024) (i32.const 2))
    (i32.const 0))
