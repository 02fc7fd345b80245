(component ;; Wants what the contract has and this host does not serve.
  (import "wasmcni:net/netns@0.1.0"
    (instance
      (export "netns" (type $netns (sub resource)))
      (export "[method]netns.create-tap"
        (func (param "self" (borrow $netns)) (param "name" string) (param "table" u32))))))
