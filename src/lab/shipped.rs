//! Topologies that come with the program, so that their names work in any directory.

/// Names and texts of the files in `topologies/`.
pub(super) const TOPOLOGIES: &[(&str, &str)] = &[
    ("one-switch", include_str!("../../topologies/one-switch.yaml")),
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
