  ;; Returns four thousand name servers that are all one text of 128 KiB: 32 KiB here, 512 MiB there.
  (func $add (result i32)
    (local $i i32)
    (loop $fill
      (i32.store (i32.add (i32.const 4096) (i32.mul (local.get $i) (i32.const 8))) (i32.const 131072))
      (i32.store (i32.add (i32.const 4100) (i32.mul (local.get $i) (i32.const 8))) (i32.const 131072))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (i32.const 4000))))
    (i32.store (i32.const 1052) (i32.const 4096)) ;; dns.nameservers: where
    (i32.store (i32.const 1056) (i32.const 4000)) ;; and how many
    (i32.const 1024))
