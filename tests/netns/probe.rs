//! The doctor's findings against what can be known otherwise.

use overlab::cli::doctor::examine;
use overlab::ids::Encap;
use overlab::lab::Datapath;

pub const TESTS: &[(&str, fn())] =
    &[("probe::the_doctor_tells_the_truth", the_doctor_tells_the_truth)];

fn the_doctor_tells_the_truth() {
    let doctor = examine();
    assert!(doctor.can_build && doctor.forbidden.is_none(), "{doctor:?}");
    let works = |name: &str| doctor.features.iter().find(|f| f.name == name).unwrap().works;
    // All the other tests stand on these.
    for needed in ["veth", "bridge", "stp", "tbf", "cls_bpf", "vxlan", "packet-vnet"] {
        assert!(works(needed), "{needed}: {doctor:?}");
    }
    let vxlan = |datapath| {
        doctor.carriers.iter().find(|c| c.encap == Encap::Vxlan && c.datapath == datapath).unwrap()
    };
    assert!(vxlan(Datapath::User).works && vxlan(Datapath::Kernel).works);
    for finding in &doctor.features {
        assert_eq!(finding.works, finding.reason.is_empty(), "{finding:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&doctor.json().unwrap()).unwrap();
    assert_eq!(json["features"][0]["name"], "veth");
    eprintln!("{}", doctor.text());
}
