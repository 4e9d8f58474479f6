//! Keeps out of the ledger what a platform has handed out for us alone.
//!
//! Some steps leave something that whoever has it may use, such as the address of an upload that is under way
//! ([`Checkpoint::PRIVATE`]). The attempt goes on with it, and so do the attempts after it; the ledger gets it sealed, as
//! it gets tokens, or not at all where the store has no key. Then a restart forgets it, and the adapter, which finds
//! nothing under that name, does the step again. So nothing may rest on it but time.
//!
//! The seal is bound to the delivery and the step. Ledgers of earlier versions hold it in plain text; what they hold is
//! gone on with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::seal::NONCE;
use crate::domain::{Checkpoint, DeliveryId, Origin, PostId, Sealed};

use super::{AccountSetup, Engine};

/// Where a sealed value stands in the place of a plain one.
const SEALED: &str = "sealed";

/// What the deliveries of one account have been handed out in this life: by post and step. Never printed.
#[derive(Default)]
pub(super) struct Handed(BTreeMap<(PostId, String), Value>);

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handed({})", self.0.len())
    }
}

impl Engine {
    /// A checkpoint's data as the ledger gets it. What is private in it is remembered here.
    pub(super) fn hide(&mut self, delivery: &DeliveryId, step: &str, mut data: Value) -> Value {
        let private = data.get_mut(Checkpoint::PRIVATE).filter(|value| !value.is_null());
        if let (Some(private), Some(desk)) = (private, self.desks.get_mut(&delivery.account)) {
            let plain = private.take();
            if let Some(sealed) = seal(&desk.setup, delivery, step, &plain) {
                *private = json!({ SEALED: sealed });
            }
            desk.handed.0.insert((delivery.post.clone(), step.to_owned()), plain);
        }
        data
    }

    /// Checkpoints as the adapter left them, as far as this life, or the key, can tell.
    pub(super) fn reveal(&self, delivery: &DeliveryId, mut done: Vec<Checkpoint>) -> Vec<Checkpoint> {
        let Some(desk) = self.desks.get(&delivery.account) else { return done };
        for Checkpoint { step, data } in &mut done {
            let Some(private) = data.get_mut(Checkpoint::PRIVATE) else { continue };
            if let Some(plain) = desk.handed.0.get(&(delivery.post.clone(), step.clone())) {
                *private = plain.clone();
            } else if let Some(sealed) = private.get(SEALED) {
                *private = open(&desk.setup, delivery, step, sealed).unwrap_or_default();
            }
        }
        done
    }

    /// A delivery is over: what it was handed out is of no use any more.
    pub(super) fn forget_private(&mut self, delivery: &DeliveryId) {
        if let Some(desk) = self.desks.get_mut(&delivery.account) {
            desk.handed.0.retain(|(post, _), _| *post != delivery.post);
        }
    }
}

/// What a seal is bound to.
fn origin(delivery: &DeliveryId, step: &str) -> Origin {
    Origin::of("checkpoint", &format!("{delivery} {step}"), std::iter::empty())
}

/// `None` where there is no key, or chance fails.
fn seal(setup: &AccountSetup, delivery: &DeliveryId, step: &str, plain: &Value) -> Option<Sealed> {
    let seal = setup.seal.as_ref()?;
    let mut nonce = [0; NONCE];
    seal.chance.fill(&mut nonce).ok()?;
    seal.key.seal(nonce, &setup.id, &origin(delivery, step), plain.to_string().as_bytes()).ok()
}

fn open(setup: &AccountSetup, delivery: &DeliveryId, step: &str, sealed: &Value) -> Option<Value> {
    let sealed: Sealed = serde_json::from_value(sealed.clone()).ok()?;
    let key = &setup.seal.as_ref().filter(|_| sealed.origin == origin(delivery, step))?.key;
    serde_json::from_slice(&key.open(&setup.id, &sealed)?).ok()
}
