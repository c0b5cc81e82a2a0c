// Every bound of the program, in one place, each with its reason. Units are the last word of the name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// A part is the rows of one table in one cut that travel in one INSERT. Large enough that ClickHouse is at
// full speed (its own default block is 65,409 rows), small enough that two parts being filled and two being
// sent stay far below the memory bound of the process (256 MB). Part boundaries must be the same when a cut
// is replayed, so these two are written into tidemark.cuts with every cut and read back from there.
constexpr size_t part_rows_max = 131'072;
constexpr size_t part_bytes_max = 16 << 20;

// The initial copy: connections at work, pages (8 kB) a range, rows a block, parts of a table before its
// merges start. Four connections keep two cores busy while some of them wait for an INSERT; 16,384 pages (128
// MB) are a few seconds of work; blocks of 65,536 rows were fastest (32 k equal, 131 k 10 % and 262 k 40 %
// slower: fresh memory costs more than parts); 256 parts are far from the 1,000 at which ClickHouse slows
// inserts down.
constexpr size_t copy_connections = 4;
constexpr uint64_t copy_range_pages = 16'384;
constexpr size_t copy_part_rows_max = 65'536;
constexpr size_t copy_parts_before_merge = 256;

// A cut closes by itself when the previous one is done; these close it under sustained load. One cut is one
// fence, so a larger cut costs freshness; 262,144 rows are under two seconds of the fastest stream measured
// here.
constexpr size_t cut_rows_max = 262'144;
constexpr size_t cut_bytes_max = 48 << 20;

// Parts of a published cut that wait to be sent: with the cut being filled and the parts on the wire this
// keeps the process below its bound.
constexpr size_t cut_queue_bytes_max = 32 << 20;
constexpr size_t lane_parts_max = 2;
// Tables sent side by side. More would only queue inside a two-core ClickHouse.
constexpr size_t apply_workers = 4;
// Rows for quarantine that are written together; a source of nothing but bad rows must not slow to a row an
// INSERT.
constexpr size_t quarantine_rows_max = 1'000;
constexpr size_t quarantine_bytes_max = 4 << 20;
// A cut is tried this long against a warehouse that is away; then the pipeline is torn down and starts again
// from the last fence, which frees its memory and re-reads the project's positions.
constexpr std::chrono::milliseconds apply_deadline{600'000};

// The server ends a session it has not heard from for wal_sender_timeout (60 s); a busy stream is
// acknowledged at most this often; an idle one moves its fence this often, which bounds what its slot holds
// back.
constexpr int64_t source_status_every_us = 5'000'000;
constexpr int64_t source_acknowledge_every_us = 100'000;
constexpr int64_t idle_fence_every_us = 10'000'000;

// How long a stop waits for the cut that is being applied; past it the cut is left for the next start to
// replay.
constexpr std::chrono::milliseconds drain_deadline{10'000};

// A source that breaks is started again after these pauses; after this long in good health they start small
// again.
constexpr std::chrono::milliseconds source_backoff_min{200};
constexpr std::chrono::milliseconds source_backoff_max{30'000};
constexpr int64_t source_healthy_us = 60'000'000;
// A killed process's walsender holds the slot until Postgres notices, usually within a second.
constexpr int64_t slot_release_wait_us = 15'000'000;
// An idle database writes no log of its own; a heartbeat message lets its slot advance.
constexpr std::chrono::milliseconds heartbeat_every{10'000};
constexpr int64_t rate_sample_us = 1'000'000;

// Verify: sums a side (24 bytes each); rows compared one by one at a time when sums differ; rows read between
// hashes; examples printed and their length.
constexpr size_t parity_buckets = 65'536;
constexpr uint64_t parity_detail_rows_max = 500'000;
constexpr size_t parity_block_rows = 16'384;
constexpr size_t parity_examples_max = 10;
constexpr size_t parity_example_bytes_max = 200;
constexpr std::chrono::milliseconds fence_poll_every{20};

// Old images are read back in lists of this many keys: one list of 20,000 integer keys is parsed in a few ms.
constexpr size_t image_keys_max = 20'000;
constexpr size_t image_query_bytes_max = 64 << 20;
// Rows of a part that are looked for to learn whether it is in.
constexpr size_t part_probe_rows = 16;

// ClickHouse remembers this many insert tokens a table. A cut is replayed only while it is the newest, so a
// few parts of one cut are all that must be remembered; the rest is margin for large transactions (1000 parts
// = 131 M rows).
constexpr size_t deduplication_window_blocks = 1000;

// The HTTP server. Browsers send headers of 1-4 kB; 16 kB leaves room for long cookies of other loopback
// programs.
constexpr size_t http_header_bytes_max = 16 << 10;
// Nothing posted to the API today is larger than a query text.
constexpr size_t http_body_bytes_max = 1 << 20;
// 1,000 viewers of one dashboard is the design load; a connection costs about 20 kB.
constexpr size_t http_connections_max = 4096;
constexpr size_t http_worker_threads = 4;
// Requests waiting for a worker; more are answered 503, because whoever waits that long has given up.
constexpr size_t http_waiting_requests_max = 256;
constexpr int http_idle_seconds_max = 75;  // longer than the 60 s after which proxies drop their side
constexpr int http_read_seconds_max = 15;  // a whole request, from its first byte
constexpr int http_write_seconds_max = 15;
constexpr int http_shutdown_seconds_max = 3;
// A comment line at this pace keeps proxies (60 s) from closing a quiet event stream.
constexpr int event_stream_heartbeat_seconds = 15;
// Waiting for one slow viewer. One state of a large dashboard is about 0.5 MB.
constexpr size_t event_stream_queue_events_max = 256;
constexpr size_t event_stream_queue_bytes_max = 4 << 20;

// Live dashboards. Four pictures a second is what a reader of numbers can follow.
constexpr int live_refresh_interval_ms_min = 250;
// Of the wall time, the most that dashboard queries may run, so that viewers never starve ingestion.
constexpr double live_refresh_share_max = 0.4;
// How often the pipeline's state is looked at (in memory) and pushed to viewers when it changed.
constexpr int live_status_interval_ms = 1000;
// Sent again unchanged at this pace, so that a page that hears nothing knows it is cut off.
constexpr int live_status_resend_seconds = 5;
// Queries that look at the clock ("the last hour") change without a cut.
constexpr int live_refresh_idle_seconds = 60;
// A tile is looked at, not downloaded.
constexpr size_t tile_result_rows_max = 5'000;
constexpr size_t tile_result_bytes_max = 2 << 20;
constexpr int tile_query_seconds_max = 10;
constexpr size_t endpoint_result_rows_max = 100'000;
constexpr int endpoint_query_seconds_max = 30;

// ClickHouse client and child.
// Whole results in memory (Client::query, query_text): the page and the API stream or page anything larger.
constexpr size_t query_result_bytes_max = 256 << 20;
// One Native block on its way in. The server makes blocks of 65,409 rows; rows of 1 kB give 64 MB.
constexpr size_t native_block_bytes_max = 512 << 20;
// Columns of one Native block: the widest tables seen have a few thousand.
constexpr size_t native_columns_max = 65'536;
// What we keep of an error body; ClickHouse quotes the whole query in it.
constexpr size_t error_body_bytes_max = 64 << 10;
// The embedded child's max_server_memory_usage on machines that have more: enough for its merges and the
// reader's queries; larger work wants a server of its own.
constexpr size_t embedded_memory_bytes_max = size_t{4} << 30;

// Postgres sources.
// What an error says of a value that cannot be converted; the whole row is kept in quarantine.
constexpr size_t error_value_bytes_max = 200;
// One message of the change stream or one row of a copy. Postgres itself cannot make a row larger than 1 GB.
constexpr size_t postgres_message_bytes_max = size_t{1} << 30;
// Postgres allows 1,600 columns a table; a tuple that claims more is corrupt.
constexpr size_t postgres_columns_max = 1'600;
// Postgres's own bound on array dimensions (MAXDIM).
constexpr int postgres_array_dimensions_max = 6;
// An acknowledgement at least this often, well under the server's default wal_sender_timeout of 60 s.
constexpr int replication_status_interval_ms = 10'000;

// Project files.
// A model or dashboard of 1 MB is a mistake (a data file in the wrong folder), and positions are ints.
constexpr size_t config_file_bytes_max = 1 << 20;
// A secret read by ${file:...}: certificates are the largest.
constexpr size_t config_secret_bytes_max = 64 << 10;
// Nodes of one YAML file after its aliases are expanded; nested aliases would otherwise grow without bound.
constexpr size_t yaml_nodes_max = 100'000;
// Lists in lists in lists: segments nest conditions, nobody reads past a dozen levels.
constexpr size_t yaml_depth_max = 64;
// A source line longer than this is not shown in a diagnostic.
constexpr size_t diagnostic_line_bytes_max = 400;
// ClickHouse makes file names of table names (255 bytes with suffixes); our own suffixes take 30.
constexpr size_t identifier_bytes_max = 128;
// Postgres's NAMEDATALEN - 1: slots and publications.
constexpr size_t postgres_name_bytes_max = 63;

// Models. A recompute spills to disk beyond this, so that verify and backfill fit beside everything else on a
// small machine.
constexpr size_t model_query_memory_bytes = 256 << 20;
// Keys of a keyed model recomputed by one statement: a set of this many wide keys takes some 50 MB, and their
// rows fit into one block, so one part.
constexpr uint64_t keyed_keys_a_slice = 250'000;
// A view is put into the views that read it up to this size; beyond it they read it by name. Views that read
// each other twice over would grow without end.
constexpr size_t flattened_view_bytes_max = 32 << 10;
// A backfill reads whole tables; six hours are far beyond any that should not be done in pieces.
constexpr int64_t model_statement_ms_max = 6 * 3'600'000;
// A backfill's piece: about a second of one core, so that cuts are hardly held up and little is done twice
// after a kill.
constexpr uint64_t backfill_chunk_rows = 1'000'000;
// `up` fills models that read less than this before it streams (a second or two), others beside the stream.
constexpr uint64_t backfill_before_start_rows = 2'000'000;
// What a deployment does between two cuts: how long it waits for the cuts to end, and how long one of its
// statements (attaching a snapshot, making a view: milliseconds) may take while all sources wait.
constexpr std::chrono::milliseconds barrier_patience{10'000};
constexpr std::chrono::milliseconds barrier_statement_time{5'000};
// A source that has just begun comes to its first fence; then the place between two cuts is given up on.
constexpr int64_t barrier_wait_us = 60'000'000;
// A backfill's next chunk waits while a source is this far behind, but no longer than this, or it would never
// end on a machine that is always busy.
constexpr int64_t backfill_lag_ms_max = 1'000;
constexpr int64_t backfill_breath_us_max = 5'000'000;
// Rows shown of a difference or a failed audit: enough to see the pattern.
constexpr size_t model_examples_max = 5;

// Audits while the project runs. One audit is asked at most this often over what changed, and this often as a
// whole; between two of them the auditor rests this many times as long as the last one took, so that all
// together take at most a fifth of one core. All of them are asked as a whole this often whatever changed.
constexpr int64_t audit_changes_distance_us = 1'000'000;
constexpr int64_t audit_whole_distance_us = 2'000'000;
constexpr int64_t audit_rest_factor = 4;
constexpr int64_t audit_whole_every_us = 600'000'000;
constexpr int64_t audit_query_seconds_max = 60;
// Violations told apart, to see whether the same ones are still there; a failing audit is asked again this
// often, each time after what had arrived is in, because a query beside a cut may see half of it.
constexpr size_t audit_violations_max = 1'000;
constexpr int audit_confirmations_max = 8;
constexpr int64_t audit_settle_us_max = 30'000'000;
// History of results.
constexpr int audit_history_days = 30;
// Refresh models. One at a time: on two cores a second one would only take the core that cuts need. Past the
// memory bound the run fails and the result before stays; past model_query_memory_bytes it spills. An hour is
// far beyond what should be recomputed as a whole.
constexpr size_t refresh_concurrency = 1;
constexpr size_t refresh_memory_bytes = size_t{1} << 30;
constexpr int64_t refresh_ms_max = 3'600'000;
// A failed run is tried again after pauses that double between these.
constexpr int64_t refresh_backoff_min_us = 1'000'000;
constexpr int64_t refresh_backoff_max_us = 300'000'000;
// How often a due model that something holds back (its table is being copied) is looked at again.
constexpr int64_t refresh_held_poll_us = 500'000;
// Cuts wait while a run takes hold of what it reads: a few milliseconds of planning. Past this they go on.
constexpr std::chrono::milliseconds refresh_hold_max{1'000};
constexpr std::chrono::milliseconds refresh_poll_every{2};
// The wall clock may be set, so the schedule is looked at this often though nothing is due.
constexpr int64_t refresh_idle_poll_us = 1'000'000;
// The facts of runs are kept this long.
constexpr int refresh_facts_days = 30;

// What a verb reads from a running instance: status of thousands of tables fits.
constexpr size_t http_answer_bytes_max = 32 << 20;

// A model that is compared while cuts arrive may look different for a moment; it is compared again this
// often.
constexpr int model_parity_attempts = 10;

// The demo's Postgres: recovery after a kill is the slow case. Its log's end goes into error messages.
constexpr int64_t private_postgres_start_us = 60'000'000;
constexpr size_t child_log_tail_bytes = 2'000;

// Starting a project while its embedded ClickHouse dies: a step is done again this often, each time after the
// server is back. More deaths than that are not an accident.
constexpr int start_step_attempts = 5;
constexpr int64_t start_warehouse_wait_us = 60'000'000;

// A change stream is busy when its reader runs dry twice within this time; then it lets changes gather this
// long.
constexpr std::chrono::microseconds stream_busy_interval{300};
constexpr std::chrono::microseconds stream_gather_time{500};

// A source this many bytes of log ahead is caught up with in bulk (postgres/slot_peek.h), in pieces of this
// many changes: a piece of half a million is decoded by the server in about 0.7 s and takes some 60 MB of its
// temporary files. The first bound is for starting, the second, larger one for leaving a live stream.
constexpr uint64_t backlog_bytes_min = 8 << 20;
constexpr uint64_t backlog_bytes_max = 64 << 20;
constexpr uint64_t backlog_piece_changes = 500'000;
constexpr uint64_t backlog_cut_rows_min = 32'768;
// How often the server is asked where its log ends.
constexpr std::chrono::milliseconds server_position_every{1'000};

// Cuts that need no plan (ingest/cut.h) share a fence within this time.
constexpr int64_t fence_distance_us = 200'000;
// How long the reader waits for the stream when nothing else is due.
constexpr int64_t stream_wait_ms = 1'000;
// Cuts of a live stream follow each other at this distance at least (the first after a pause goes at once):
// every cut is two durable INSERTs, some 5 ms of ClickHouse each, so without a distance 1,000 rows/s take a
// core of it. A fence waits a little longer than that for the next cut, when rows wait for one, to carry its
// plan.
constexpr int64_t cut_distance_min_us = 10'000;
constexpr std::chrono::microseconds next_cut_wait{15'000};

}  // namespace tidemark::limits
