//! What every [`Ledger`](crate::ledger::Ledger) must do.

mod again;
mod cached;
mod claims;
mod closing;
mod coarser;
mod confirming;
mod events;
mod loss;
mod missing;
mod publishing;
mod queue;
mod requests;
mod waiting;
mod work;

pub use self::{
    again::*, cached::*, claims::*, closing::*, coarser::*, confirming::*, events::*, loss::*,
    missing::*, publishing::*, queue::*, requests::*, waiting::*, work::*,
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
    requesters_take_turns
    a_turn_is_taken_at_each_priority
    a_file_is_finished_before_the_next_is_begun
    what_is_read_does_not_wait_for_what_is_made
    a_retry_that_is_due_takes_its_turn
    what_follows_has_the_requester_of_what_it_follows
    work_is_done_for_the_most_urgent_requester
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

    each_claim_has_its_beginning_and_its_end_in_the_timeline
    a_publication_shows_the_asset_that_it_left
    what_changes_nothing_writes_no_event
    claims_at_once_write_one_event

    a_medium_whose_bytes_are_lost_is_made_again
    lost_bytes_are_lost_for_every_file
    a_loss_leaves_each_row_in_a_right_state
    a_lost_source_is_failed_until_it_comes_again
    blobs_are_listed_page_by_page

    a_claim_is_confirmed_by_its_owner_only
    a_confirmation_says_what_is_no_longer_wanted
    only_what_is_unconfirmed_is_recovered
    after_an_outage_the_owner_confirms_first

    what_may_be_poison_is_listed_by_itself
    what_is_put_off_is_left_alone_until_then
    a_wait_for_the_same_bytes_ends_with_their_claim

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

    a_coarser_scene_is_there_but_stale
    media_of_a_coarser_scene_say_so
    what_is_stale_is_tried_by_the_recipe_again
    a_retry_of_a_coarser_scene_may_fail
    a_coarser_scene_is_no_ones_else
    a_scene_that_is_wanted_meanwhile_is_made_after_a_coarser_one
    coarser_scenes_are_listed

    work_is_told_page_by_page
    the_queue_is_measured
    what_is_stale_is_asked_for
    what_failed_is_tried_again
}
