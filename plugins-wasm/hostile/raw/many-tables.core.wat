  ;; Has eight tables, none of which is too large.
  (table 60000 funcref) (table 60000 funcref) (table 60000 funcref) (table 60000 funcref)
  (table 60000 funcref) (table 60000 funcref) (table 60000 funcref) (table 60000 funcref)
  (func $add (result i32) (i32.const 0))
