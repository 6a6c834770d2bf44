//! Shortens a run that has a finding: fewer steps, fewer faults.

use super::plan::Plan;

/// Returns the shortest plan found for which `is_true` holds, and the number of tries. Removes
/// parts of the steps, large ones first, as long as it holds without them.
///
/// # Examples
/// ```
/// use spuff_core::simulation::{Plan, shrink};
///
/// let plan = Plan::of_seed(1, None, 100);
/// let (short, _) = shrink(&plan, 1000, |plan| plan.len() >= 7);
/// assert_eq!(short.len(), 7);
/// ```
pub fn shrink(plan: &Plan, most_tries: usize, is_true: impl Fn(&Plan) -> bool) -> (Plan, usize) {
    let mut least = plan.clone();
    let mut tries = 0;
    let mut part = least.steps.len().div_ceil(2);
    while part > 0 && tries < most_tries {
        let mut at = 0;
        let before = least.steps.len();
        while at < least.steps.len() && tries < most_tries {
            let mut without = least.clone();
            without.steps.drain(at..(at + part).min(least.steps.len()));
            tries += 1;
            if is_true(&without) {
                least = without;
            } else {
                at += part;
            }
        }
        // A step may become removable once later ones are gone.
        part = if part > 1 { part / 2 } else { usize::from(least.steps.len() < before) };
    }
    (least, tries)
}
