#include "ingest/capture_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/capture_limits.h"
#include "ingest/topic_copy.h"
#include "kafka/topics.h"
#include "postgres/replication_setup.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace tidemark::ingest {

using std::chrono::milliseconds;

namespace {

constexpr uint16_t only_epoch = 1;  // messages carry LSNs, no versions

// Trying again cannot help until somebody acts.
bool final(const Error& error) {
  return error.kind == ErrorKind::refused || error.kind == ErrorKind::config ||
         error.kind == ErrorKind::unsupported || error.kind == ErrorKind::usage ||
         error.kind == ErrorKind::limit;
}

class EventFd {
 public:
  EventFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~EventFd() { close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;
  int fd() const { return fd_; }
  void wake() const {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(fd_, &one, sizeof one);
  }

 private:
  int fd_;
};

// Without a key in the old rows nobody could be told which row went.
Status check_identity(const CapturedTable& table) {
  if (table.log || table.source.identity == postgres::ReplicaIdentity::primary_key ||
      table.source.identity == postgres::ReplicaIdentity::full)
    return {};
  return fail(ErrorKind::unsupported,
              fmt::format("table {} has REPLICA IDENTITY {}, so its updates and deletes do not say which "
                          "primary key they are about",
                          table.source.display(), postgres::name(table.source.identity)),
              fmt::format("run: ALTER TABLE {} REPLICA IDENTITY DEFAULT", table.source.quoted()));
}

}  // namespace

CapturePipeline::CapturePipeline(CaptureOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

CapturePipeline::~CapturePipeline() {
  stop();
}

postgres::ConnectionOptions CapturePipeline::connection_options() const {
  return {.url = options_.source.url.reveal(), .application_name = "tidemark " + options_.source.name};
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
  database_ = std::string(TRY(connection.query("SELECT current_database()")).at(0, 0));
  auto sources = TRY(postgres::read_tables(connection, options_.source.tables));
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

Status CapturePipeline::check_source(postgres::Connection& connection) {
  postgres::PreflightOptions options{.slot = options_.source.slot,
                                     .publication = options_.source.publication};
  for (const auto& table : tables_) options.tables.push_back(table.source);
  int64_t deadline = clock_.monotonic_micros() + limits::slot_release_wait_us;
  while (true) {
    auto findings = TRY(postgres::preflight(connection, options));
    warnings_.clear();
    std::optional<postgres::Finding> failure;
    for (const auto& finding : findings) {
      if (finding.level == postgres::Finding::Level::warn) warnings_.push_back(finding);
      if (finding.level == postgres::Finding::Level::fail && !failure) failure = finding;
    }
    if (!failure) return {};
    // A server may take seconds to notice that a killed process is gone.
    if (failure->kind == ErrorKind::conflict && clock_.monotonic_micros() <= deadline &&
        pause(milliseconds(200)))
      continue;
    return fail(failure->kind, failure->detail, failure->remedy);
  }
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
  auto connection = TRY_IN(postgres::Connection::open(connection_options()), where);
  if (auto ready = read_tables(connection); !ready) return fail(std::move(ready.error()).in(where));
  if (auto ready = check_source(connection); !ready) return fail(std::move(ready.error()).in(where));
  return make_topics();
}

std::vector<std::string> CapturePipeline::warnings() const {
  std::vector<std::string> texts;
  for (const auto& finding : warnings_)
    texts.push_back(finding.check + ": " + finding.detail +
                    (finding.remedy.empty() ? "" : " (" + finding.remedy + ")"));
  return texts;
}

void CapturePipeline::start() {
  thread_ = std::thread([this] { run(); });
}

void CapturePipeline::stop() {
  stop_reading_ = true;
  {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

bool CapturePipeline::pause(milliseconds duration) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, duration, [&] { return stop_reading_.load(); });
  return !stop_reading_;
}

void CapturePipeline::set_state(std::string state, std::string error) {
  std::lock_guard lock(mutex_);
  state_ = std::move(state);
  error_ = std::move(error);
}

void CapturePipeline::run() {
  milliseconds backoff = limits::source_backoff_min;
  while (!stop_reading_) {
    int64_t started = clock_.monotonic_micros();
    Status ended = run_once();
    if (stop_reading_) break;
    if (ended) continue;
    Error& error = ended.error();
    bool hopeless = fenced_ || final(error);
    set_state(hopeless ? "failed" : "waiting", error.message);
    log::error("source {}: {}", options_.source.name, error.describe());
    if (hopeless && (fenced_ || !streamed_)) {
      std::lock_guard lock(mutex_);
      gave_up_ = std::move(error).in("source " + options_.source.name);
      return;
    }
    if (clock_.monotonic_micros() - started > limits::source_healthy_us) backoff = limits::source_backoff_min;
    if (!pause(hopeless ? limits::source_backoff_max : backoff)) break;
    backoff = std::min(backoff * 2, limits::source_backoff_max);
  }
  set_state("stopped");
}

Status CapturePipeline::run_once() {
  set_state("starting");
  kafka::Producer producer = TRY(kafka::Producer::open(producer_options(), stop_now_));
  TRY_VOID(producer.initialise());
  Status ended = publish(producer);
  fenced_ = producer.fenced();
  return ended;
}

Status CapturePipeline::publish(kafka::Producer& producer) {
  auto position =
      TRY(read_position(producer_options(), options_.output.prefix, options_.source.name, stop_reading_));
  auto connection = TRY(postgres::Connection::open(connection_options()));
  auto identity = TRY(postgres::read_identity(connection));
  bool anew = !position || options_.recopy;
  if (!anew) TRY_VOID(check(connection, identity, *position));
  if (anew || !position->copied) {
    bool truncate = anew && position.has_value();
    PublishedPosition begun = anew ? PublishedPosition{.source = options_.source.name,
                                                       .system_id = identity.system_id,
                                                       .timeline = identity.timeline,
                                                       .slot = options_.source.slot}
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
  set_state("copying");
  log::info("source {}: initial copy of {} tables to {}.*{}", options_.source.name, tables_.size(),
            options_.output.prefix, anew ? "" : ", going on where it was interrupted");
  std::string snapshot;
  std::optional<postgres::Connection> slot_connection;  // the snapshot lives as long as it
  if (anew) {
    std::vector<postgres::SourceTable> published;
    for (const auto& table : tables_) published.push_back(table.source);
    TRY_VOID(postgres::ensure_publication(connection, options_.source.publication, published));
    TRY_VOID(postgres::drop_slot(connection, options_.source.slot));
    auto replication = connection_options();
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
  auto reading = TRY(postgres::Connection::open(connection_options()));
  TRY_VOID(reading.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  if (!snapshot.empty())
    TRY_VOID(reading.execute("SET TRANSACTION SNAPSHOT " + postgres::quote_literal(snapshot)));
  uint64_t rows = TRY(copy_to_topics({.producer = producer,
                                      .encoders = encoders_,
                                      .prefix = options_.output.prefix,
                                      .counters = counters_,
                                      .stop = stop_reading_},
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
  EventFd wake;
  CutHandoff handoff([&wake] { wake.wake(); });
  log::info("source {}: streaming to {}.* from {} (cut {})", options_.source.name, options_.output.prefix,
            postgres::format_lsn(position.end_lsn), position.cut);
  set_state("streaming");
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
    wake.wake();
  });
  std::atomic<bool> ended{false};
  std::thread heartbeat_thread([&] { send_heartbeats(ended); });
  StreamReader reader(
      {.source = options_.source.name, .epoch = only_epoch, .fenced = std::move(fenced), .for_topics = true},
      tables_, counters_,
      {.put = [&](const std::vector<QuarantinedRow>& rows) { return publisher.refuse(rows); },
       .counts = [](const std::string&) { return std::map<std::string, uint64_t>(); }},
      handoff, applied_, read_, clock_, stop_reading_);
  Status read = follow(reader, wake.fd());
  ended = true;
  {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  // Whatever is still being published had its time in drain(); it is left uncommitted.
  stop_now_ = true;
  handoff.close();
  publish_thread.join();
  heartbeat_thread.join();
  stop_now_ = false;
  if (!published) return published;
  if (!read && read.error().kind != ErrorKind::cancelled) return read;
  return {};
}

// The stream, and before it, whenever the source is far ahead, its backlog in bulk.
Status CapturePipeline::follow(StreamReader& reader, int wake_fd) {
  std::vector<postgres::SourceTable> sources;
  for (const auto& table : tables_) sources.push_back(table.source);
  bool binary = postgres::all_binary_decodable(sources);
  while (!stop_reading_) {
    auto connection = TRY(postgres::Connection::open(connection_options()));
    auto identity = TRY(postgres::read_identity(connection));
    read_.server_lsn = identity.position;
    if (identity.position > applied_.fenced_lsn + limits::backlog_bytes_min) {
      log::info("source {}: catching up with {} MB of log", options_.source.name,
                (identity.position - applied_.fenced_lsn) >> 20);
      for (const char* setting :
           {"statement_timeout = 0", "logical_decoding_work_mem = '256MB'", "work_mem = '64MB'"})
        TRY_VOID(connection.execute(std::string("SET ") + setting));
      TRY_VOID(reader.catch_up(
          connection,
          {.slot = options_.source.slot, .publication = options_.source.publication, .binary = binary}));
    }
    if (stop_reading_) break;
    auto stream = TRY(postgres::ReplicationStream::start({.connection = connection_options(),
                                                          .slot = options_.source.slot,
                                                          .publication = options_.source.publication,
                                                          .start = applied_.fenced_lsn,
                                                          .binary = binary,
                                                          .wake_fd = wake_fd}));
    if (TRY(reader.run(std::move(stream))) == StreamReader::Ended::stopped) break;
  }
  return {};
}

// Asks where the server's log ends (the stream does not say), and now and then writes a message into it.
void CapturePipeline::send_heartbeats(std::atomic<bool>& ended) {
  std::optional<postgres::Connection> connection;
  int64_t beaten = clock_.monotonic_micros();
  while (!ended && !stop_reading_) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, limits::server_position_every, [&] { return ended || stop_reading_; });
    }
    if (ended || stop_reading_) return;
    if (!connection) {
      auto opened = postgres::Connection::open(connection_options());
      if (!opened) continue;  // the stream will notice by itself
      connection.emplace(std::move(*opened));
    }
    auto identity = postgres::read_identity(*connection);
    if (identity) read_.server_lsn = identity->position;
    int64_t now = clock_.monotonic_micros();
    bool due = now - beaten > limits::heartbeat_every.count() * 1000;
    if (due) beaten = now;
    if (!identity || (due && !postgres::emit_heartbeat(*connection))) connection.reset();
  }
}

SourceStatus CapturePipeline::status() const {
  std::lock_guard lock(mutex_);
  SourceStatus status{.source = options_.source.name,
                      .state = state_,
                      .error = error_,
                      .epoch = only_epoch,
                      .last_cut = applied_.cut,
                      .as_of_micros = applied_.as_of_micros,
                      .transactions = applied_.transactions,
                      .queryable_p50_us = applied_.queryable_us.quantile(0.5),
                      .queryable_p99_us = applied_.queryable_us.quantile(0.99),
                      .queryable_max_us = applied_.queryable_us.quantile(1)};
  status.ladder = {.server = std::max(read_.server_lsn.load(), read_.received_lsn.load()),
                   .received = read_.received_lsn,
                   .cut = read_.cut_lsn,
                   .queryable = applied_.queryable_lsn,
                   .fenced = applied_.fenced_lsn,
                   .acknowledged = read_.acknowledged_lsn};
  if (status.ladder.server > status.ladder.fenced)
    status.lag_bytes = status.ladder.server - status.ladder.fenced;
  int64_t waiting = status.ladder.cut > status.ladder.queryable ? read_.oldest_applying_micros.load()
                                                                : read_.oldest_waiting_micros.load();
  status.lag_ms = waiting > 0 ? std::max<int64_t>(0, (clock_.wall_micros() - waiting) / 1000) : 0;
  for (const auto& table : tables_) {
    const TableCounters& counters = *counters_.at(&table);
    status.tables.push_back({.table = encoders_.at(&table)->topic(),
                             .state = state_ == "streaming" ? "live" : state_,
                             .rows_applied = counters.applied + counters.copied,
                             .quarantined = counters.quarantined,
                             .copy_rows = counters.copied});
  }
  return status;
}

std::optional<Error> CapturePipeline::gave_up() const {
  std::lock_guard lock(mutex_);
  return gave_up_;
}

}  // namespace tidemark::ingest
