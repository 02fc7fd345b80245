  ;; Logs what lies outside its memory.
  (import "wasmcni:cni/log@0.1.0" "log" (func $log (param i32 i32 i32)))
  (func $add (result i32)
    (call $log (i32.const 0) (i32.const 0xfffffff0) (i32.const 100))
    (i32.const 0))
