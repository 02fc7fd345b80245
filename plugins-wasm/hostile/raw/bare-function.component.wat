(component ;; Wants a function that is of no interface.
  (import "run-program" (func (param "path" string))))
