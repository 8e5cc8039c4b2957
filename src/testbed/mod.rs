//! A plan made real: namespaces, links, edges and engines, up and torn down whatever happens.
