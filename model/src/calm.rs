//! What happens if no more faults do.
//!
//! "All get final at last" is a promise about the future, and stateright's `eventually` does not follow paths that
//! run in circles, as these do: an id can fall due and be published again as often as it likes. So the promise is
//! made one about the present: *from every state there is a way, without another fault, on which all get final*. As
//! there are finitely many states, this is as good: a run that never loses that way, and takes each step at some time
//! if it is open to it again and again, arrives.

use crate::{
    Action, Protocol,
    state::{Row, State, Webhook},
};

/// Steps after which the calm is taken to lead nowhere. A few dozen lead from any state to the end.
const STEPS_MAX: usize = 200;

/// Whether all that is committed here gets final, and all that is to be replayed is, if only what is most pressing happens, and
/// no fault.
pub(crate) fn all_get_final(protocol: &Protocol, state: &State) -> bool {
    if all_final(state) {
        return true;
    }
    let mut state = state.clone();
    let mut actions: Vec<Action> = Vec::new();
    for _ in 0..STEPS_MAX {
        actions.clear();
        protocol.progress(&state, &mut actions);
        let Some(&action) = actions.first() else {
            return false;
        };
        protocol.step(&mut state, action);
        if all_final(&state) {
            return true;
        }
    }
    false
}

fn all_final(state: &State) -> bool {
    let is_done = |w: &Webhook| w.row != Row::Processing && !w.to_replay;
    state.webhooks.iter().all(is_done)
}
