//! What every [`CadFiles`](trait@crate::CadFiles) must do.

mod bytes;
mod files;
mod listing;
mod materials;
mod revisions;

pub use self::{bytes::*, files::*, listing::*, materials::*, revisions::*};

suite! { $ cad_files, cad_files_contract:
    a_file_is_added_and_asked_for
    a_file_is_added_for_later
    an_unknown_file_is_none
    the_newest_of_a_name_is_found
    names_are_kept_as_they_are
    a_map_of_materials_is_replaced
    maps_saved_at_once_do_not_undo_each_other
    materials_make_stale_what_shows_them
    the_same_materials_make_nothing_stale
    materials_that_come_back_make_nothing
    materials_wait_for_the_scene
    new_bytes_begin_anew
    the_same_bytes_keep_what_is_under_way
    pages_follow_each_other_in_every_order
    a_page_goes_on_behind_a_file_that_is_gone
    a_cursor_of_another_order_is_refused
    files_are_filtered
    media_stand_as_they_are_filtered
    an_overview_tells_all_of_a_medium
    each_change_gives_a_later_revision
    a_change_of_another_revision_does_nothing
    of_changes_at_once_one_is_saved
    a_removed_file_takes_everything_with_it
}
