  ;; Passes a netns off as a link.
  (import "wasmcni:net/netns@0.1.0" "enter-netns" (func $enter (param i32 i32)))
  (import "wasmcni:net/link@0.1.0" "[method]link.set-down" (func $down (param i32 i32)))
  (func $add (result i32)
    (call $enter (i32.const 1) (i32.const 2048))
    (call $down (i32.load (i32.const 2052)) (i32.const 2048))
    (i32.const 0))
