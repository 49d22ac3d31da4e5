//! What every [`Ledger`](crate::Ledger) must do.

mod again;
mod cached;
mod claims;
mod closing;
mod missing;
mod publishing;
mod requests;
mod work;

pub use self::{
    again::*, cached::*, claims::*, closing::*, missing::*, publishing::*, requests::*, work::*,
};

suite! { $ ledger, ledger_contract:
    a_request_begins_with_what_is_not_there
    an_unknown_file_is_told
    a_request_is_merged_while_queued
    a_request_is_merged_while_the_same_is_made
    a_hundred_requests_during_a_run_give_one_more
    requests_at_once_are_queued_once
    what_is_there_is_present
    what_failed_is_left_alone_unless_asked
    a_failure_upstream_is_told
    a_medium_follows_its_scene_with_its_priority
    what_was_cancelled_can_be_asked_for_again

    next_goes_by_priority_then_age_then_id
    next_is_a_look_and_no_claim
    a_claim_raises_the_fence
    only_what_is_queued_and_due_is_claimed
    twenty_claims_at_once_have_one_winner
    progress_is_kept_for_the_holder_only
    running_tells_the_open_claims
    stats_count_rows_by_kind_and_state
    failures_are_told_page_by_page

    a_medium_is_published
    what_was_found_is_published
    a_chain_gives_what_failed_something_new
    a_chain_goes_past_what_is_there
    a_cached_medium_of_another_file_gives_an_asset_of_its_own
    a_cached_medium_of_its_own_stays
    an_unknown_cached_medium_changes_nothing
    a_lost_claim_changes_nothing
    ten_publishes_at_once_have_one_winner
    what_changed_meanwhile_is_queued_again
    the_same_input_again_replaces_its_asset

    a_permanent_failure_is_kept
    a_transient_failure_waits
    a_failure_of_what_is_no_longer_wanted_is_no_failure
    a_claim_is_handed_back
    a_claim_is_handed_back_though_its_scene_is_gone
    a_third_crash_sets_aside
    a_crash_is_counted_once
    crashes_are_forgotten
    work_is_cancelled

    missing_is_told_of_every_class
    missing_runs_the_machine_on_every_row
    a_second_click_queues_nothing
    a_dry_run_writes_nothing
    failures_are_missing_if_asked
    names_are_filtered_as_they_are
    ten_clicks_at_once_queue_each_file_once

    what_is_there_is_made_again
    what_is_made_of_nothing_is_not_made_again
    trouble_ends_what_is_made_again
    a_key_makes_again_once
    a_key_at_once_makes_again_once

    work_is_told_page_by_page
    the_queue_is_measured
    what_is_stale_is_asked_for
    what_failed_is_tried_again
}
