  ;; When the host comes back from a long call, has another guest run at once: with no instruction
  ;; between at which it could be stopped itself.
  (import "wasmcni:cni/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "wasmcni:cni/delegate@0.1.0" "add" (func $delegate (param i32 i32 i32)))
  (data (i32.const 1024) "hostile")
  (func $add (result i32)
    (call $log (i32.const 0) (i32.const 1024) (i32.const 7))
    (call $delegate (i32.const 1024) (i32.const 7) (i32.const 2048))
    (i32.const 0))
