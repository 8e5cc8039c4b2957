//! The JSON Schema of lab and topology files, as the reader really takes them.
//!
//! The model's types give names, structure and descriptions; here it gets what the reader does
//! beyond them: `vms` as a map, ranges and patterns of single values, and no `null`, since a key
//! without a value is refused. Rules between values (names that must exist, sizes that must fit)
//! have no place in a schema.

use std::ops::RangeInclusive;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::model::{Lab, Topology};
use super::{lesson, limits};

/// The schema of a file that is a lab or a topology (JSON Schema 2020-12).
///
/// A file of one kind only is described by `#/$defs/Lab` or `#/$defs/Topology`.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    generator.subschema_for::<Lab>();
    generator.subschema_for::<Topology>();
    let defs = generator.take_definitions(true);
    let mut schema = Value::Object(defs);
    values(&mut schema);
    without_null(&mut schema);
    numbers_as_text(&mut schema);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "overlab: a lab or a topology",
        "anyOf": [{ "$ref": "#/$defs/Lab" }, { "$ref": "#/$defs/Topology" }],
        "$defs": schema,
    })
}

/// What the reader asks of single values.
fn values(defs: &mut Value) {
    let pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
    let name =
        |max: usize| json!({ "type": ["string", "number"], "pattern": pattern, "maxLength": max });
    let (node, tenant) = (name(limits::NODE_NAME), name(limits::TENANT_NAME));
    let joint = node.clone();
    let end = json!({ "pattern": "^[^/]+/[^/]+$" });
    let claims = lesson::CLAIMS.map(|claim| claim.id);
    for (path, patch) in [
        ("/Lab/properties/title", json!({ "minLength": 1 })),
        ("/Lab/properties/tenants", json!({ "minItems": 1 })),
        ("/Compare/properties/encap", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/datapath", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/mtu", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/engine", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/mtu_mode", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/loss", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/delay", json!({ "minItems": 1, "uniqueItems": true })),
        ("/RatioExpected/properties/at-least", json!({ "exclusiveMinimum": 0 })),
        ("/RatioExpected/properties/at-most", json!({ "exclusiveMinimum": 0 })),
        ("/Watch/properties/ends/items", json!({ "pattern": "^[^/]+/[^/]+->[^/]+/[^/]+$" })),
        ("/Probe/properties/count", range(&limits::PROBES)),
        ("/InnerPacket/properties/from", end.clone()),
        ("/InnerPacket/properties/to", end.clone()),
        ("/Compare/properties/mtu/items", range(&limits::UNDERLAY_MTU)),
        ("/Carrier/properties/port", range(&limits::PORT)),
        ("/Compare/properties/port/items", range(&limits::PORT)),
        ("/Compare/properties/learning", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/nve_addresses", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/nve_addresses/items", range(&limits::NVE_ADDRESSES)),
        ("/Compare/properties/source_ports", json!({ "minItems": 1, "uniqueItems": true })),
        ("/Compare/properties/source_ports/items", range(&limits::SOURCE_PORTS)),
        ("/Compare/properties/ecmp", json!({ "minItems": 1, "uniqueItems": true })),
        ("/EngineSettings/properties/nve_addresses", range(&limits::NVE_ADDRESSES)),
        ("/EngineSettings/properties/source_ports", range(&limits::SOURCE_PORTS)),
        ("/TableExpected/properties/at-least", range(&limits::COUNT)),
        ("/TableExpected/properties/at-most", range(&limits::COUNT)),
        ("/TableExpected/properties/vms", range(&limits::VMS)),
        ("/StrayExpected/properties/at-least", range(&limits::COUNT)),
        ("/StrayExpected/properties/at-most", range(&limits::COUNT)),
        ("/CopyCount/properties/arp", range(&limits::COUNT)),
        ("/CopyCount/properties/broadcast", range(&limits::COUNT)),
        ("/Topology/properties/mtu", range(&limits::UNDERLAY_MTU)),
        ("/Topology/properties/hosts/items", node.clone()),
        ("/Topology/properties/switches/items", node),
        ("/LinkFull/properties/mtu", range(&limits::UNDERLAY_MTU)),
        ("/Tenant/properties/name", tenant.clone()),
        ("/Tenant/properties/subnet6", json!({ "pattern": "^[0-9a-fA-F:.]+/[0-9]+$" })),
        ("/GeneveOption/properties/data", json!({ "pattern": "^([0-9a-fA-F]{8}){0,31}$" })),
        ("/Tenant/properties/subnet", json!({ "pattern": "^[0-9.]+/[0-9]+$" })),
        ("/Vm/properties/ip", json!({ "format": "ipv4" })),
        ("/Vm/properties/mac", json!({ "pattern": "^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$" })),
        ("/Vm/properties/mtu", range(&limits::VM_MTU)),
        ("/Rounds/anyOf/0", range(&limits::ROUNDS)),
        ("/Until/properties/min", range(&limits::SURE_ROUNDS)),
        ("/Until/properties/max", range(&limits::SURE_ROUNDS)),
        ("/Expectation/properties/claim", json!({ "enum": claims })),
    ] {
        merge(defs.pointer_mut(path), patch);
    }
    tables(defs);
    generators(defs);
    many(defs);
    joined(defs, &joint, &tenant);
    flows(defs, &end);
    vms_by_name(defs, &tenant);
    expectations(defs);
}

/// The kinds of expectation, by their keys.
fn expectations(defs: &mut Value) {
    for kind in
        defs.pointer_mut("/Expectation/oneOf").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let inner = kind.get_mut("properties").and_then(Value::as_object_mut);
        for (name, value) in inner.into_iter().flatten() {
            let patch = match name.as_str() {
                "overhead" => range(&limits::OVERHEAD),
                "mtu" | "told" => range(&limits::VM_MTU),
                "isolated" => {
                    *value = apart();
                    json!({})
                }
                "ledger" => json!({ "const": true }),
                "handshakes" => range(&limits::HANDSHAKES),
                "pieces" => range(&limits::PIECES),
                "refused" | "transfer" | "payload" | "checksum" | "attack" | "probe"
                | "throughput" | "copies" | "reachable" | "unreachable" | "stream" | "gateway"
                | "entries" | "tunnels" | "link" | "tables" | "stray" | "downtime" | "survives"
                | "slowdown" | "cost" | "cpu" => {
                    json!({})
                }
                "blind" | "seen" => json!({ "minItems": 1 }),
                "drops" => json!({ "minProperties": 1 }),
                _ => json!({ "additionalProperties": false }),
            };
            merge(Some(&mut *value), patch);
            if ["delivered", "goodput"].contains(&name.as_str()) {
                bounds_above_zero(value);
            }
        }
    }
}

/// What bounds MAC tables.
fn tables(defs: &mut Value) {
    for of in ["Topology", "SwitchSettings"] {
        for key in ["mac_table", "mac_limit"] {
            let path = format!("/{of}/properties/{key}");
            merge(defs.pointer_mut(&path), range(&limits::MAC_TABLE));
        }
    }
}

/// Ends and counts of flows.
fn flows(defs: &mut Value, end: &Value) {
    for flow in ["TcpFlow", "UdpFlow", "RrFlow"] {
        for key in ["from", "to"] {
            merge(defs.pointer_mut(&format!("/{flow}/properties/{key}")), end.clone());
        }
    }
    for ratio in ["SlowdownExpected", "CostExpected"] {
        if let Some(value) = defs.get_mut(ratio) {
            bounds_above_zero(value);
        }
    }
    let sizes = json!({ "minItems": 1, "uniqueItems": true });
    merge(defs.pointer_mut("/Sizes/anyOf/1"), sizes);
    for count in ["/TcpFlow/properties/streams", "/RrFlow/properties/load"] {
        merge(defs.pointer_mut(count), range(&limits::STREAMS));
    }
}

/// Routers, segments, and what is expected of them.
fn joined(defs: &mut Value, node: &Value, tenant: &Value) {
    for (path, patch) in [
        ("/Router/properties/joins", json!({ "minItems": 2, "uniqueItems": true })),
        ("/Router/properties/name", node.clone()),
        ("/Segment/properties/name", tenant.clone()),
        ("/Segment/properties/switch", node.clone()),
        ("/Segment/properties/machines", json!({ "minItems": 1 })),
        ("/Machine/properties/name", tenant.clone()),
        ("/Machine/properties/mtu", range(&limits::VM_MTU)),
        ("/InnerPacket/properties/ethertype", range(&limits::ETHERTYPE)),
        ("/StreamExpected/properties/copies", range(&limits::COPIES)),
        ("/Compare/properties/topology", json!({ "minItems": 1, "uniqueItems": true })),
    ] {
        merge(defs.pointer_mut(path), patch);
    }
}

/// Entries that stand for many, and what is tried of many.
fn many(defs: &mut Value) {
    for (path, limit) in [
        ("/Measure/properties/sample", &limits::SAMPLE),
        ("/Tenant/properties/count", &limits::TENANTS),
        ("/OuterPacket/properties/vid", &limits::VID),
    ] {
        merge(defs.pointer_mut(path), range(limit));
    }
}

fn bounds_above_zero(value: &mut Value) {
    for bound in ["/properties/at-least", "/properties/at-most"] {
        merge(value.pointer_mut(bound), json!({ "exclusiveMinimum": 0 }));
    }
}

/// Tenants that are kept apart: two or more, or all.
fn apart() -> Value {
    let names = json!({ "type": "string" });
    let list = json!({ "type": "array", "items": names, "minItems": 2, "uniqueItems": true });
    json!({ "anyOf": [list, { "const": "all" }] })
}

/// Parameters of generated topologies.
fn generators(defs: &mut Value) {
    for (path, patch) in [
        ("/LeafSpine/properties/oversubscription", json!({ "exclusiveMinimum": 0 })),
        ("/Tree/properties/depth", range(&limits::DEPTH)),
        ("/FatTree/properties/k", range(&limits::FAT_TREE)),
        ("/FatTree/properties/k", json!({ "multipleOf": 2 })),
        ("/Ring/properties/switches", range(&limits::RING)),
        ("/Wan/properties/mtu", range(&limits::UNDERLAY_MTU)),
    ] {
        merge(defs.pointer_mut(path), patch);
    }
    for path in [
        "/SingleSwitch/properties/hosts",
        "/Linear/properties/switches",
        "/Linear/properties/hosts",
        "/Tree/properties/fanout",
        "/LeafSpine/properties/leaves",
        "/LeafSpine/properties/spines",
        "/LeafSpine/properties/hosts",
        "/Ring/properties/hosts",
        "/Mesh/properties/switches",
        "/Mesh/properties/hosts",
        "/DualHomed/properties/pairs",
        "/DualHomed/properties/spines",
        "/DualHomed/properties/hosts",
        "/Wan/properties/sites",
        "/Wan/properties/hosts",
        "/Wan/properties/cores",
    ] {
        merge(defs.pointer_mut(path), range(&limits::FABRIC));
    }
}

/// `vms` is a map from a name to a host or to the other fields of a VM.
fn vms_by_name(defs: &mut Value, name: &Value) {
    if let Some(vm) = defs.get_mut("Vm").and_then(Value::as_object_mut) {
        vm.insert("required".into(), json!(["host"]));
        vm.insert("description".into(), json!("A VM with more than its host."));
        if let Some(properties) = vm.get_mut("properties").and_then(Value::as_object_mut) {
            properties.remove("name");
        }
    }
    let mut names = name.clone();
    names["type"] = json!("string");
    if let Some(vms) = defs.pointer_mut("/Tenant/properties/vms") {
        let description = vms["description"].clone();
        let counted = json!({
            "type": "object",
            "description": "VMs `vm1` and up, spread over hosts in turn.",
            "properties": {
                "count": range(&limits::SPREAD),
                "on": { "anyOf": [
                    { "const": "all" },
                    { "type": "array", "items": { "type": "string" }, "minItems": 1 },
                ] },
            },
            "required": ["count", "on"],
            "additionalProperties": false,
        });
        let named = json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": names,
            "additionalProperties": {
                "anyOf": [
                    { "type": "string", "description": "The host it lives on." },
                    { "$ref": "#/$defs/Vm" },
                ]
            },
        });
        *vms = json!({ "description": description, "anyOf": [named, counted] });
    }
}

fn range(range: &RangeInclusive<u32>) -> Value {
    json!({ "minimum": range.start(), "maximum": range.end() })
}

fn merge(into: Option<&mut Value>, patch: Value) {
    if let (Some(Value::Object(into)), Value::Object(patch)) = (into, patch) {
        into.extend(patch);
    }
}

/// An absent value is written by leaving its key out, never as `null`.
fn without_null(schema: &mut Value) {
    each(schema, &|map| {
        if map.get("default").is_some_and(|d| d.is_null() || *d == json!([])) {
            map.remove("default");
        }
        if let Some(Value::Object(default)) = map.get_mut("default") {
            default.retain(|_, value| !(value.is_null() || *value == json!([])));
        }
        if let Some(Value::Array(types)) = map.get_mut("type") {
            types.retain(|t| t != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                map.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(any)) = map.get_mut("anyOf") {
            any.retain(|one| one["type"] != "null");
            if let [Value::Object(only)] = any.as_slice() {
                let only = only.clone();
                map.remove("anyOf");
                map.extend(only);
            }
        }
    });
}

/// Where any text will do, a number is the text it is written as.
fn numbers_as_text(schema: &mut Value) {
    each(schema, &|map| {
        let limited =
            ["const", "enum", "pattern", "format"].iter().any(|key| map.contains_key(*key));
        if map.get("type").is_some_and(|t| t == "string") && !limited {
            map.insert("type".into(), json!(["string", "number"]));
        }
    });
}

fn each(value: &mut Value, change: &dyn Fn(&mut Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            change(map);
            map.values_mut().for_each(|v| each(v, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| each(v, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_found_its_place() {
        let schema = schema();
        let at = |path: &str| schema.pointer(path).cloned().unwrap_or_default();
        assert_eq!(at("/$defs/Topology/properties/mtu/minimum"), 576);
        assert_eq!(
            at("/$defs/Carrier/properties/port"),
            json!({
                "description": at("/$defs/Carrier/properties/port/description"),
                "type": "integer", "format": "uint16", "minimum": 1, "maximum": 65535,
            })
        );
        assert_eq!(
            at("/$defs/Encap/oneOf").as_array().map(Vec::len),
            Some(crate::ids::Encap::ALL.len())
        );
        assert_eq!(at("/$defs/Tenant/properties/vms/anyOf/0/type"), "object");
        assert_eq!(at("/$defs/TcpFlow/properties/streams/maximum"), 128);
        assert!(!schema.to_string().contains("null"), "a key is left out, never null");
    }

    #[test]
    fn the_schema_is_one() {
        assert!(jsonschema::meta::is_valid(&schema()));
    }
}
