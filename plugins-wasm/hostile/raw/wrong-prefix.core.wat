  ;; Returns the address 0.0.0.0/255: one `ip-config` at 2048, its prefix length at offset 26.
  (func $add (result i32)
    (i32.store (i32.const 1036) (i32.const 2048)) ;; ips: where
    (i32.store (i32.const 1040) (i32.const 1))    ;; and how many
    (i32.store8 (i32.const 2074) (i32.const 255))
    (i32.const 1024))
