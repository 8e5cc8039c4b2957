//! What a result remembers of the files it was made from.

use super::load::Loaded;

impl Loaded {
    /// A number for the lab's text and the topologies that it names, as 16 hexadecimal digits: another one as soon as
    /// any of them differs, be it in a remark. It tells files apart and proves nothing against somebody who wants to
    /// deceive (FNV-1a, 64 bits; draft-eastlake-fnv).
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |text: &str| {
            // What ends a part is in no text, so that no byte can move from one part to the next.
            for byte in text.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(&self.text);
        let compared = self.lab.compare.topology.iter();
        for topology in std::iter::once(&self.topology)
            .chain(compared.filter_map(|compared| compared.topology.as_ref()))
        {
            // As it was understood: its file is not kept.
            add(&serde_json::to_string(topology).unwrap_or_default());
        }
        format!("{hash:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;

    const LAB: &str = "title: One\ntopology: wires.yaml\ncarrier: { encap: vxlan }\n\
        tenants: [{ name: red, subnet: 10.0.0.0/24, vms: { a: h1, b: h2 } }]\n";
    const WIRES: &str =
        "hosts: [h1, h2, h3]\nswitches: [s1]\nlinks: [[h1, s1], [h2, s1], [h3, s1]]\n";

    #[test]
    fn another_text_or_topology_is_another_number() {
        let dir = tempfile::tempdir().unwrap();
        let hash = |lab: &str, wires: &str| {
            std::fs::write(dir.path().join("wires.yaml"), wires).unwrap();
            let path = dir.path().join("lab.yaml");
            std::fs::write(&path, lab).unwrap();
            load(&path).unwrap().hash()
        };
        let one = hash(LAB, WIRES);
        assert_eq!((one.len(), &one), (16, &hash(LAB, WIRES)));
        assert_ne!(one, hash(&LAB.replace("One", "Two"), WIRES));
        assert_ne!(one, hash(LAB, &WIRES.replace("[h3, s1]", "[h3, s1], [h1, h2]")));
        // The same lab elsewhere is the same lab.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("wires.yaml"), WIRES).unwrap();
        std::fs::write(other.path().join("named.yaml"), LAB).unwrap();
        assert_eq!(load(&other.path().join("named.yaml")).unwrap().hash(), one);
    }
}
