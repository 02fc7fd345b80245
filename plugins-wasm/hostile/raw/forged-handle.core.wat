  ;; Asks about a link that it was never given.
  (import "wasmcni:net/link@0.1.0" "[method]link.info" (func $info (param i32 i32)))
  (func $add (result i32)
    (call $info (i32.const 7) (i32.const 2048))
    (i32.const 0))
