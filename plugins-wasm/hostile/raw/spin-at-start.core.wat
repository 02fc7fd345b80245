  ;; Does not come back from being started.
  (func $spin (loop $again (br $again)))
  (start $spin)
  (func $add (result i32) (i32.const 0))
