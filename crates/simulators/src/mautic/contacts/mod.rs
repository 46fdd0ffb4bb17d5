//! Contacts.

mod batch;
mod dnc;
mod entity;
mod form;
mod links;
mod list;
mod raw;
mod save;
mod single;
mod value;
mod view;

pub(crate) use batch::{batch_delete, batch_edit, batch_new};
pub(crate) use dnc::{NewDnc, add_dnc, dnc_add, dnc_remove, remove_dnc, touch as touch_dnc};
pub(crate) use form::{Draft, Method};
pub(crate) use links::{activity, campaigns, points, segments};
pub(crate) use list::list;
pub(crate) use save::{delete_merged, save};
pub(crate) use single::{create, edit, get_one, remove};
pub(crate) use value::{Submitted, clean_email, submit};
pub(crate) use view::{Shape, emit_contact, flat_profile, lead_view};
