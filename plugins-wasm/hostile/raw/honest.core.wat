  ;; Does nothing, and says so: shows that the others fail for what they do, not for what they are.
  (func $add (result i32) (i32.const 0))
