#include "ingest/capture_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/capture_limits.h"
#include "ingest/log_follower.h"
#include "ingest/topic_copy.h"
#include "kafka/topics.h"
#include "postgres/replication_setup.h"

namespace tidemark::ingest {

namespace {

constexpr uint16_t only_epoch = 1;  // messages carry LSNs, no versions

// Without a key in the old rows nobody could be told which row went.
Status check_identity(const CapturedTable& table) {
  TRY_VOID(postgres::check_column_list(table.source));
  if (table.log || table.source.identity == postgres::ReplicaIdentity::primary_key ||
      table.source.identity == postgres::ReplicaIdentity::full)
    return {};
  return fail(ErrorKind::unsupported,
              fmt::format("table {} has REPLICA IDENTITY {}, so its updates and deletes do not say which "
                          "primary key they are about",
                          table.source.display(), postgres::name(table.source.identity)),
              fmt::format("run: ALTER TABLE {} REPLICA IDENTITY DEFAULT", table.source.quoted()));
}

// A message is JSON, which is UTF-8.
Status check_encoding(postgres::Connection& connection) {
  auto rows = TRY(connection.query("SELECT pg_catalog.current_setting('server_encoding')"));
  if (rows.at(0, 0) != "SQL_ASCII") return {};
  return fail(
      ErrorKind::unsupported, "the database is SQL_ASCII: its text may be bytes that no message can hold",
      "make it anew with an encoding (pg_dump, CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, "
      "pg_restore with PGCLIENTENCODING), or mirror it into ClickHouse, which takes the bytes as they "
      "are");
}

}  // namespace

CapturePipeline::CapturePipeline(CaptureOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      life_(options_.source.name, clock),
      slot_watch_(options_.source, clock) {}

CapturePipeline::~CapturePipeline() {
  stop();
}

kafka::ProducerOptions CapturePipeline::producer_options() const {
  return {
      .brokers = options_.output.brokers,
      .transactional_id = fmt::format("{}.tidemark_capture.{}", options_.output.prefix, options_.source.name),
      .settings = options_.output.settings,
      .client = "tidemark " + options_.source.name};
}

PublisherOptions CapturePipeline::publisher_options() const {
  return {.prefix = options_.output.prefix, .database = database_, .schema = options_.output.schema};
}

Status CapturePipeline::read_tables(postgres::Connection& connection) {
  TRY_VOID(check_encoding(connection));
  database_ = std::string(TRY(connection.query("SELECT current_database()")).at(0, 0));
  auto sources = TRY(
      postgres::read_tables(connection, options_.source.tables, postgres::selections_of(options_.source)));
  tables_.clear();
  for (auto& source : sources) {
    bool append_only = false;
    for (const auto& option : options_.source.options)
      if (option.table == source.name || option.table == source.schema + "." + source.name)
        append_only = option.append_only;
    tables_.push_back(capture(kafka::text_table(std::move(source)), append_only, false));
    TRY_VOID(check_identity(tables_.back()));
  }
  encoders_ = make_encoders(tables_, publisher_options());
  counters_.clear();
  counter_storage_.clear();
  for (const auto& table : tables_) {
    counter_storage_.push_back(std::make_unique<TableCounters>());
    counters_[&table] = counter_storage_.back().get();
  }
  return {};
}

std::string CapturePipeline::selection() const {
  std::string text;
  for (const auto& table : tables_)
    if (!table.source.selection.everything())
      text += fmt::format("{} {}; ", table.source.display(), table.source.selection.text());
  return text;
}

Status CapturePipeline::make_topics() {
  const auto& output = options_.output;
  std::vector<kafka::NewTopic> topics;
  for (const auto& table : tables_)
    topics.push_back({.name = encoders_.at(&table)->topic(),
                      .partitions = output.partitions,
                      .replication = output.replication});
  // One partition each: their messages are in order.
  topics.push_back(
      {.name = output.prefix + ".transaction", .partitions = 1, .replication = output.replication});
  topics.push_back(
      {.name = output.prefix + ".tidemark_quarantine", .partitions = 1, .replication = output.replication});
  topics.push_back({.name = position_topic(output.prefix, options_.source.name),
                    .partitions = 1,
                    .replication = output.replication,
                    .settings = {{"cleanup.policy", "compact"}}});
  return kafka::create_topics(output.brokers, output.settings, topics);
}

Status CapturePipeline::prepare() {
  std::string where = "source " + options_.source.name;
  auto connection = TRY_IN(postgres::Connection::open(connection_options(options_.source)), where);
  if (auto ready = read_tables(connection); !ready) return fail(std::move(ready.error()).in(where));
  auto pause = [this](std::chrono::milliseconds duration) { return life_.pause(duration); };
  if (auto ready = check_source(connection, options_.source, tables_, clock_, pause, warnings_); !ready)
    return fail(std::move(ready.error()).in(where));
  return make_topics();
}

std::vector<std::string> CapturePipeline::warnings() const {
  return finding_texts(warnings_);
}

void CapturePipeline::start() {
  // A message that is too large is so each time.
  life_.start({.live = [this] { return live(); },
               .proven = [this] { return streamed_; },
               .hopeless = [](const Error& error) { return error.kind == ErrorKind::limit; }});
  slot_watch_.start();
}

void CapturePipeline::stop() {
  slot_watch_.stop();
  life_.stop();
}

Status CapturePipeline::live() {
  life_.set_state("starting");
  kafka::Producer producer = TRY(kafka::Producer::open(producer_options(), stop_now_));
  TRY_VOID(producer.initialise());
  Status ended = publish(producer);
  if (producer.fenced()) life_.give_up();
  return ended;
}

Status CapturePipeline::publish(kafka::Producer& producer) {
  auto position =
      TRY(read_position(producer_options(), options_.output.prefix, options_.source.name, life_.stopping()));
  auto connection = TRY(postgres::Connection::open(connection_options(options_.source)));
  auto identity = TRY(postgres::read_identity(connection));
  bool anew = !position || options_.recopy;
  if (!anew) TRY_VOID(check(connection, identity, *position));
  // Rows that are wanted now and were not then were never captured, and who reads the topics keeps others.
  if (!anew && position->selection != selection())
    return fail(
        ErrorKind::unsupported,
        "`columns`, `exclude` or `where` of a table are others than those the topics were filled under",
        "publish the source again with: tidemark up --role capture --recopy");
  if (anew || !position->copied) {
    bool truncate = anew && position.has_value();
    PublishedPosition begun = anew ? PublishedPosition{.source = options_.source.name,
                                                       .system_id = identity.system_id,
                                                       .timeline = identity.timeline,
                                                       .slot = options_.source.slot,
                                                       .selection = selection()}
                                   : *position;
    if (truncate) begun.cut = position->cut;
    TRY_VOID(copy(connection, producer, begun, anew));
    options_.recopy = false;
    position = begun;
  }
  return stream(producer, *position);
}

// What the slot still has must reach back to what is published, and it must be the same server.
Status CapturePipeline::check(postgres::Connection& connection, const postgres::ServerIdentity& identity,
                              const PublishedPosition& position) {
  const char* recopy = "publish the source again with: tidemark up --role capture --recopy";
  if (position.system_id != identity.system_id || position.timeline != identity.timeline)
    return fail(
        ErrorKind::unsupported,
        "this is not the Postgres server the topics were filled from, or it was failed over or restored",
        std::string("check the URL, and use another prefix for another server; or ") + recopy);
  auto slot = TRY(postgres::read_slot(connection, position.slot));
  if (!slot || slot->wal_status == "lost")
    return fail(ErrorKind::unsupported,
                fmt::format("replication slot {} is {}: changes are lost for good", position.slot,
                            slot ? "invalidated" : "gone"),
                recopy);
  postgres::Lsn published = position.copied ? position.end_lsn : position.slot_lsn;
  if (slot->confirmed_flush > published)
    return fail(
        ErrorKind::unsupported,
        fmt::format("replication slot {} is at {} and the topics end at {}: somebody else read from it",
                    position.slot, postgres::format_lsn(slot->confirmed_flush),
                    postgres::format_lsn(published)),
        recopy);
  auto rows = TRY(
      connection.query("SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = " +
                       postgres::quote_literal(options_.source.publication)));
  std::set<std::pair<std::string, std::string>> tables;
  for (size_t row = 0; row < rows.size(); ++row) tables.emplace(rows.at(row, 0), rows.at(row, 1));
  for (const auto& table : tables_)
    if (!tables.contains({table.source.schema, table.source.name}))
      return fail(
          ErrorKind::unsupported,
          fmt::format("table {} is not in publication {}: it is new to this source, or was taken out of "
                      "the publication, so rows of it were never captured",
                      table.source.display(), options_.source.publication),
          recopy);
  return {};
}

Status CapturePipeline::copy(postgres::Connection& connection, kafka::Producer& producer,
                             PublishedPosition& position, bool anew) {
  life_.set_state("copying");
  log::info("source {}: initial copy of {} tables to {}.*{}", options_.source.name, tables_.size(),
            options_.output.prefix, anew ? "" : ", going on where it was interrupted");
  std::string snapshot;
  std::optional<postgres::Connection> slot_connection;  // the snapshot lives as long as it
  if (anew) {
    std::vector<postgres::SourceTable> published;
    for (const auto& table : tables_) published.push_back(table.source);
    TRY_VOID(postgres::ensure_publication(connection, options_.source.publication, options_.source.slot,
                                          published));
    TRY_VOID(postgres::drop_slot(connection, options_.source.slot));
    auto replication = connection_options(options_.source);
    replication.replication = true;
    slot_connection.emplace(TRY(postgres::Connection::open(replication)));
    auto slot = TRY(postgres::create_slot(*slot_connection, options_.source.slot, false));
    snapshot = slot.snapshot_name;
    position.slot_lsn = slot.consistent_point;
    TRY_VOID(producer.begin());
    // Rows that readers have from an earlier copy and that are gone meanwhile. Older than the rows that come
    // now.
    if (options_.recopy)
      for (const auto& table : tables_) {
        std::string value;
        int64_t now = clock_.wall_micros();
        encoders_.at(&table)->envelope(
            't', {}, {}, {.lsn = position.slot_lsn - 1, .committed_at = now, .now = now}, value);
        TRY_VOID(producer.send({.topic = encoders_.at(&table)->topic(), .value = value}));
      }
    TRY_VOID(producer.send({.topic = position_topic(options_.output.prefix, position.source),
                            .partition = 0,
                            .key = position.source,
                            .value = position.to_json()}));
    TRY_VOID(producer.commit());
  }
  for (const auto& [table, counters] : counters_) counters->copied = 0;
  int64_t started = clock_.monotonic_micros();
  auto reading = TRY(postgres::Connection::open(connection_options(options_.source)));
  TRY_VOID(reading.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  if (!snapshot.empty())
    TRY_VOID(reading.execute("SET TRANSACTION SNAPSHOT " + postgres::quote_literal(snapshot)));
  uint64_t rows = TRY(copy_to_topics({.producer = producer,
                                      .encoders = encoders_,
                                      .prefix = options_.output.prefix,
                                      .counters = counters_,
                                      .stop = life_.stopping()},
                                     tables_, reading, position));
  double seconds = static_cast<double>(clock_.monotonic_micros() - started) / 1e6;
  log::info("source {}: initial copy done, {} rows in {:.1f} s ({:.0f} rows/s), as of {}",
            options_.source.name, rows, seconds, static_cast<double>(rows) / std::max(seconds, 1e-3),
            postgres::format_lsn(position.slot_lsn));
  return {};
}

Status CapturePipeline::stream(kafka::Producer& producer, PublishedPosition position) {
  applied_.fenced_lsn = applied_.queryable_lsn = position.end_lsn;
  applied_.cut = position.cut;
  if (applied_.as_of_micros == 0) applied_.as_of_micros = position.committed_at;
  LogFollower follower(options_.source, tables_, applied_, read_, clock_, life_.stopping());
  CutHandoff handoff([&follower] { follower.wake(); });
  log::info("source {}: streaming to {}.* from {} (cut {})", options_.source.name, options_.output.prefix,
            postgres::format_lsn(position.end_lsn), position.cut);
  life_.set_state("streaming");
  streamed_ = true;
  CutRecord fenced{.source = options_.source.name,
                   .epoch = only_epoch,
                   .cut = position.cut,
                   .last_lsn = position.end_lsn,
                   .end_lsn = position.end_lsn,
                   .committed_at = position.committed_at};
  KafkaPublisher publisher(producer, encoders_, publisher_options(), std::move(position), handoff, counters_,
                           applied_, clock_);
  Status published;
  std::thread publish_thread([&] {
    published = publisher.run();
    follower.wake();
  });
  StreamReader reader({.source = options_.source.name,
                       .epoch = only_epoch,
                       .fenced = std::move(fenced),
                       .for_topics = true,
                       .streamed = {.directory = options_.source.spool}},
                      tables_, counters_,
                      {.put = [&](const std::vector<QuarantinedRow>& rows) { return publisher.refuse(rows); },
                       .counts = [](const std::string&) { return std::map<std::string, uint64_t>(); }},
                      handoff, applied_, read_, clock_, life_.stopping());
  Status read = follower.run(reader);
  // Whatever is still being published had its time in drain(); it is left uncommitted.
  stop_now_ = true;
  handoff.close();
  publish_thread.join();
  stop_now_ = false;
  if (!published) return published;
  if (!read && read.error().kind != ErrorKind::cancelled) return read;
  return {};
}

SourceStatus CapturePipeline::status() const {
  SourceStatus status{.epoch = only_epoch};
  uint64_t rows = applied_.rows;
  for (const auto& [table, counters] : counters_) rows += counters->copied;
  life_.describe(status, applied_, rows);
  life_.describe_ladder(status, applied_, read_, applied_.fenced_lsn);
  status.slot = slot_watch_.health();
  for (const auto& table : tables_) {
    const TableCounters& counters = *counters_.at(&table);
    status.tables.push_back({.table = encoders_.at(&table)->topic(),
                             .state = status.state == "streaming" ? "live" : status.state,
                             .rows_applied = counters.applied + counters.copied,
                             .quarantined = counters.quarantined,
                             .copy_rows = counters.copied});
  }
  return status;
}

std::optional<Error> CapturePipeline::gave_up() const {
  return life_.gave_up();
}

}  // namespace tidemark::ingest
