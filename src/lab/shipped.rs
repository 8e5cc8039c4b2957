//! Topologies that come with the program, so that their names work in any directory.

/// Names and texts of the files in `topologies/`.
pub(super) const TOPOLOGIES: &[(&str, &str)] = &[
    ("leaf-spine-4x2", include_str!("../../topologies/leaf-spine-4x2.yaml")),
    ("linear-3", include_str!("../../topologies/linear-3.yaml")),
    ("single-switch", include_str!("../../topologies/single-switch.yaml")),
    ("two-racks", include_str!("../../topologies/two-racks.yaml")),
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
                .collect();
        files.sort();
        let shipped: Vec<String> =
            TOPOLOGIES.iter().map(|(name, _)| format!("{name}.yaml")).collect();
        assert_eq!(shipped, files);
    }
}
