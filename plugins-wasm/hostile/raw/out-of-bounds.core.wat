  ;; Reads outside its memory.
  (func $add (result i32) (i32.load (i32.const 0x40000000)))
