//! Topologies that come with the program, so that their names work in any directory.

/// Names and texts of the files in `topologies/`.
pub(super) const TOPOLOGIES: &[(&str, &str)] = &[
    ("dual-homed-2x2", include_str!("../../topologies/dual-homed-2x2.yaml")),
    ("fat-tree-4", include_str!("../../topologies/fat-tree-4.yaml")),
    ("fat-tree-8", include_str!("../../topologies/fat-tree-8.yaml")),
    ("full-bisection", include_str!("../../topologies/full-bisection.yaml")),
    ("hop-careless", include_str!("../../topologies/hop-careless.yaml")),
    ("hop-native-tagged", include_str!("../../topologies/hop-native-tagged.yaml")),
    ("hop-native-unused", include_str!("../../topologies/hop-native-unused.yaml")),
    ("hop-no-tags", include_str!("../../topologies/hop-no-tags.yaml")),
    ("hop-priority-tags", include_str!("../../topologies/hop-priority-tags.yaml")),
    ("independent-learning", include_str!("../../topologies/independent-learning.yaml")),
    ("leaf-spine-25x4", include_str!("../../topologies/leaf-spine-25x4.yaml")),
    ("leaf-spine-4x2", include_str!("../../topologies/leaf-spine-4x2.yaml")),
    ("linear-100", include_str!("../../topologies/linear-100.yaml")),
    ("linear-3", include_str!("../../topologies/linear-3.yaml")),
    ("mesh-4", include_str!("../../topologies/mesh-4.yaml")),
    ("oversubscribed-3to1", include_str!("../../topologies/oversubscribed-3to1.yaml")),
    ("ring-4", include_str!("../../topologies/ring-4.yaml")),
    ("shared-learning", include_str!("../../topologies/shared-learning.yaml")),
    ("single-switch", include_str!("../../topologies/single-switch.yaml")),
    ("single-switch-4", include_str!("../../topologies/single-switch-4.yaml")),
    ("small-tables", include_str!("../../topologies/small-tables.yaml")),
    ("small-tables-limited", include_str!("../../topologies/small-tables-limited.yaml")),
    ("tree-2x16", include_str!("../../topologies/tree-2x16.yaml")),
    ("tree-2x2", include_str!("../../topologies/tree-2x2.yaml")),
    ("tree-2x32", include_str!("../../topologies/tree-2x32.yaml")),
    ("tree-4x4", include_str!("../../topologies/tree-4x4.yaml")),
    ("two-racks", include_str!("../../topologies/two-racks.yaml")),
    ("wan-2", include_str!("../../topologies/wan-2.yaml")),
    ("wan-4", include_str!("../../topologies/wan-4.yaml")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topology_file_is_shipped() {
        let mut files: Vec<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/topologies"))
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .map(|file| file.strip_suffix(".yaml").unwrap().to_owned())
                .collect();
        files.sort();
        let shipped: Vec<&str> = TOPOLOGIES.iter().map(|(name, _)| *name).collect();
        assert_eq!(shipped, files);
    }
}
