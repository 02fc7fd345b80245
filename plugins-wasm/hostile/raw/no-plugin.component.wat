(component) ;; Is no plugin.
