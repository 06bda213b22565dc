//! What every store must do, written once against the trait and run for SQLite in a file, SQLite in
//! memory, and a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by a panic, its helpers as well"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the store itself is what is tested"
)]

mod audit;
mod catalogue;
mod credentials;
mod database;
mod epochs;
mod factors;
mod fixture;
mod gate;
mod gateways;
mod identities;
mod key_sets;
mod list;
mod parallel;
mod people;
mod poolers;
mod public_keys;
mod sessions;
mod set_up;
mod signing_keys;
mod tls;
mod tokens;

use fixture::Fixture;

/// Makes one test of each function for each kind of database.
macro_rules! contract {
    ($databases:tt { $($module:ident { $($test:ident)* })* }) => {
        $(mod $module { $(contract!(@ $databases $module $test);)* })*
    };
    (@ { $($database:ident)* } $module:ident $test:ident) => {
        mod $test {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $database() {
                    let fixture = crate::Fixture::$database().await;
                    crate::$module::$test(&fixture).await;
                    fixture.remove().await;
                }
            )*
        }
    };
}

mod every_database {
    contract!({ sqlite_file sqlite_memory postgres pgbouncer_session } {
        set_up {
            set_up_works_once_with_a_valid_token
            a_new_set_up_link_replaces_the_one_before
            of_two_parallel_set_ups_one_succeeds
            a_setting_keeps_its_first_value
            the_known_time_goes_on_and_begins_anew_where_the_clock_is_accepted
        }
        people {
            a_person_is_found_as_added
            a_taken_address_is_a_conflict
            people_are_listed_by_name_page_by_page
            people_are_searched_literally
            people_are_filtered_and_known_with_what_they_own
            people_are_paged_there_and_back_again
            a_person_comes_with_the_session_that_was_used_last
            the_last_superuser_stays
            a_superuser_who_never_came_in_does_not_count
            another_address_frees_the_old_one_and_ends_the_link_that_went_there
            two_superusers_who_demote_each_other_do_not_both_succeed
            changes_to_an_unknown_person_find_nobody
            a_new_password_ends_other_sessions_and_the_pending_link
            a_password_hash_is_upgraded_only_if_it_is_the_checked_one
            check_61_parallel_tries_of_a_password_are_counted_exactly
            check_61_a_right_or_a_new_password_forgets_the_failed_tries
            check_61_a_try_that_cannot_succeed_counts_for_nobody
            a_password_link_works_once_and_in_time
            of_two_parallel_redemptions_one_succeeds
            a_new_password_link_replaces_the_one_before
        }
        identities {
            check_68_an_identity_is_issuer_and_subject_together
            a_taken_address_or_identity_adds_nobody
            an_identity_is_linked_to_a_person_once
            a_login_is_noted_on_person_and_identity
        }
        factors {
            second_factors_are_found_as_added
            a_step_is_used_once_and_never_an_older_one
            a_recovery_code_is_used_once_and_audited
            the_last_factor_takes_the_recovery_codes_along
            of_two_parallel_removals_one_factor_stays_where_one_must
            a_change_of_factors_ends_other_sessions
            a_reset_takes_everything_away
            an_event_that_is_refused_leaves_the_factors
        }
        sessions {
            a_session_is_taken_once
            a_session_is_found_within_both_limits
            a_save_does_not_bring_an_ended_session_back
            a_session_id_is_taken_once
            disabling_a_person_ends_their_sessions
            a_persons_sessions_are_listed_and_ended_one_by_one
            what_is_beyond_a_limit_is_cleared_away
            what_tells_other_nodes_something_is_kept_longer
            all_sessions_of_a_person_are_gone_through
            check_101_a_message_ends_its_sessions_once_and_whole
        }
        epochs {
            check_95_each_change_ends_what_began_before_it
            check_95_a_change_of_ones_own_keeps_the_session_that_asks_and_no_other
            check_95_a_change_under_way_never_undoes_a_newer_one
            check_95_of_log_ins_and_a_new_password_at_once_no_session_is_left
            check_95_a_renewal_under_way_does_not_outlive_the_end_of_all_sessions
            the_same_role_ends_nothing
        }
        credentials {
            a_credential_is_found_as_issued
            an_instant_comes_back_to_the_millisecond
            the_same_request_issues_one_credential
            an_owner_must_be_active
            a_taken_key_id_leaves_nothing_behind
            an_edit_of_something_else_than_was_read_is_refused
            two_edits_at_the_same_instant_do_not_overwrite_each_other
            an_older_use_never_replaces_a_newer_one
            limits_change_with_an_edit
        }
        signing_keys {
            the_first_signing_key_is_added_once
            signing_keys_are_listed_in_the_order_in_which_they_sign
            a_private_half_is_deleted_once_and_audited
            a_signing_key_is_ended_once_and_its_successor_comes_with_it
        }
        public_keys {
            keys_are_added_and_removed_one_by_one
            a_key_is_taken_by_a_credential_only_once
            keys_are_added_together_or_not_at_all
            keys_that_are_refused_leave_the_key_url
            check_26_a_kid_is_of_one_key_until_that_key_ends
            check_26_a_credential_has_ten_keys_at_most
            the_last_key_stays
            a_use_moves_its_key_forward_and_never_back
            two_replicas_note_uses_of_the_same_keys
        }
        key_sets {
            a_credential_has_a_url_or_keys_and_never_both
            a_url_is_set_together_with_its_audit_event
            what_was_asked_before_a_url_was_set_anew_is_not_noted_after_it
            what_came_from_a_url_is_kept_until_the_url_changes
            only_a_new_or_a_changed_outcome_is_written
        }
        tokens {
            check_24_an_assertion_id_is_used_once
            check_24_credentials_do_not_share_their_assertion_ids
            an_assertion_id_is_kept_until_its_end_and_not_longer
            a_token_is_revoked_once
            of_parallel_revocations_one_is_audited
            a_revoked_token_is_listed_until_its_end
            each_kind_is_cleared_away_by_the_thousand
        }
        gateways {
            a_gateway_is_found_as_added
            a_name_is_taken_in_any_case
            a_gateway_is_edited
            a_new_token_replaces_the_one_before
            a_removed_gateway_stays_without_its_token
            an_older_call_never_replaces_a_newer_one
        }
        catalogue {
            versions_are_listed_newest_first
            the_newest_version_is_not_kept_twice
            of_two_nodes_that_take_up_a_file_one_keeps_it
            only_the_newest_versions_are_kept
        }
        gate {
            a_decision_is_found_as_recorded
            of_two_decisions_about_a_request_the_first_stays
            decisions_about_a_credential_come_newest_first
            decisions_are_trimmed_by_age_and_number
            strangers_push_out_only_strangers
            counts_of_an_hour_add_up
            parallel_counts_lose_nothing
            a_count_that_cannot_be_adds_nothing
            counts_are_trimmed_by_age
        }
        list {
            every_walk_meets_every_row_once_in_order
            a_search_is_literal_and_ignores_case
            counts_agree_with_the_tabs
            those_in_use_are_counted_by_what_they_may_do
            a_position_that_is_none_is_no_error
            a_frequent_term_is_found_as_well_as_a_rare_one
        }
        audit {
            the_chain_is_whole_and_ends_at_its_head
            an_event_that_is_refused_takes_the_change_with_it
            an_event_that_is_refused_leaves_keys_tokens_and_gateways
            check_89_an_event_that_is_refused_leaves_people_and_their_sessions
            changes_are_fed_in_order
            a_change_of_a_credential_comes_with_its_key_url
            a_log_that_does_not_go_on_is_noticed
            a_search_finds_by_each_filter_from_both_ends
            the_story_of_one_object_comes_newest_first
            an_event_comes_back_as_written
        }
        parallel {
            check_91_thirty_two_writers_all_succeed
            a_write_goes_on_when_its_caller_goes_away
            parallel_edits_lose_nothing
        }
        database {
            a_new_database_is_migrated_once
            a_look_at_the_writer_writes_only_now_and_then
            waiting_for_a_change_ends
        }
    });
}

/// Those that need a second connection, past the store: a database in memory has only one.
mod every_persistent_database {
    contract!({ sqlite_file postgres pgbouncer_session } {
        audit {
            an_audit_event_cannot_be_changed_or_deleted
            a_trimmed_log_begins_later_and_is_whole
            a_lost_audit_event_is_noticed
        }
        credentials {
            limits_of_when_one_switch_was_for_all_only_report
        }
        parallel {
            check_91_writers_of_two_processes_all_succeed
            writes_that_wait_keep_nobody_from_reading
        }
        tokens {
            check_24_an_assertion_id_is_used_once_by_two_processes
            check_24_a_used_assertion_id_survives_a_restart
        }
        database {
            parallel_migrations_are_safe
            a_database_without_a_schema_is_none
            a_newer_schema_is_refused
            another_text_of_a_migration_is_refused
            a_value_that_cannot_be_names_its_column
            everything_is_there_after_a_restart
        }
    });
}

mod sqlite {
    contract!({ sqlite_file } {
        database {
            check_91_files_are_private
            check_91_a_backup_under_load_is_whole_and_private
            a_backup_overwrites_nothing
            a_backup_has_its_name_only_when_it_is_whole
            an_orderly_end_leaves_nothing_in_the_log
            a_log_that_grew_behind_a_long_reader_is_cut_again
            a_file_that_was_removed_or_replaced_is_noticed
            a_missing_file_is_made_only_where_that_is_wanted
            a_path_is_taken_by_the_letter
            check_102_a_disk_that_was_full_for_a_moment_stops_no_later_write
        }
    });
}

/// What goes by another way to the server: one of each kind of work, and all of the feed.
mod every_way_to_postgres {
    contract!({ postgres_tls pgbouncer_transaction } {
        people {
            people_are_paged_there_and_back_again
        }
        epochs {
            check_95_a_renewal_under_way_does_not_outlive_the_end_of_all_sessions
        }
        credentials {
            a_credential_is_found_as_issued
            two_edits_at_the_same_instant_do_not_overwrite_each_other
        }
        list {
            every_walk_meets_every_row_once_in_order
            counts_agree_with_the_tabs
        }
        gate {
            parallel_counts_lose_nothing
        }
        audit {
            an_event_that_is_refused_takes_the_change_with_it
            changes_are_fed_in_order
            a_log_that_does_not_go_on_is_noticed
        }
        parallel {
            check_91_thirty_two_writers_all_succeed
            check_91_writers_of_two_processes_all_succeed
            a_write_goes_on_when_its_caller_goes_away
            people_who_write_keep_no_program_from_writing
            people_who_read_keep_the_gate_and_the_feed_from_nothing
        }
        database {
            a_new_database_is_migrated_once
            parallel_migrations_are_safe
            a_newer_schema_is_refused
            waiting_for_a_change_ends
            a_look_at_the_writer_writes_only_now_and_then
            everything_is_there_after_a_restart
        }
    });
}

mod every_way_to_postgres_and_the_usual_one {
    contract!({ postgres postgres_tls pgbouncer_session pgbouncer_transaction } {
        database {
            a_change_wakes_the_other_process
            a_lost_listener_is_reported_once
        }
        poolers {
            what_holds_for_statements_holds_on_every_connection
        }
    });
}

mod postgres {
    contract!({ postgres } {
        parallel {
            people_who_write_keep_no_program_from_writing
            people_who_read_keep_the_gate_and_the_feed_from_nothing
            look_ups_that_wait_keep_the_feed_from_nothing
        }
        database {
            a_database_that_was_read_only_takes_writes_again
            connections_from_before_are_not_used_again
            the_gate_reads_on_though_all_its_connections_are_ended
            a_backup_is_left_to_the_tools_of_postgresql
        }
    });
}
