//! How long a run will take.

use std::time::Duration;

use super::{NodeKind, Plan, Variant};

/// A spanning tree forwards after two forward delays of 4 s, the least that IEEE 802.1D allows.
const SPANNING_TREE: Duration = Duration::from_secs(9);
/// Building, observing that routes and neighbours work, and taking down.
const BUILD: Duration = Duration::from_millis(500);
/// Starting a flow, warming it up and collecting its figures.
const FLOW_START: Duration = Duration::from_millis(100);
/// Each of: reaching all VMs, probing the MTU, counting overhead, trying leaks.
const PHASE: Duration = Duration::from_millis(250);
/// One shaped TCP stream and its ramp-up.
const FELT: Duration = Duration::from_millis(1500);

impl Plan {
    /// Rough time of a run: flows in all rounds and variants, the time until the networks
    /// forward (all variants stand at once), and what else is measured in each variant.
    #[must_use]
    pub fn estimate(&self) -> Duration {
        let bridged = |v: &Variant| v.stp && v.nodes.iter().any(|n| n.kind == NodeKind::Switch);
        let ready = if self.variants.iter().any(bridged) { SPANNING_TREE } else { Duration::ZERO };
        let variants =
            self.variants.iter().map(|variant| self.flow_time(variant) + self.phases(variant));
        BUILD + ready + variants.sum::<Duration>()
    }

    fn flow_time(&self, variant: &Variant) -> Duration {
        let carried = |tenant: &str| variant.tenants.iter().any(|t| t.name == tenant);
        // Flows that run together take the time of their sum.
        let alone = self.flows.iter().filter(|flow| flow.together.is_none());
        let flows = alone.filter(|flow| carried(&flow.tenant));
        let round: Duration = flows.map(|flow| flow.window(variant) + FLOW_START).sum();
        round.saturating_mul(self.measure.rounds.least())
    }

    fn phases(&self, variant: &Variant) -> Duration {
        let measure = &self.measure;
        let isolation = measure.isolation && variant.tenants.len() > 1;
        let phases = [true, measure.mtu, measure.overhead, isolation];
        let felt = measure.felt.map_or(Duration::ZERO, |_| FELT);
        phases.into_iter().filter(|&wanted| wanted).map(|_| PHASE).sum::<Duration>() + felt
    }
}
